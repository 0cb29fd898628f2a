/* neap.efi: Neap as a program that UEFI firmware starts. docs/uefi.md is its manual page. */
#include "boot/efi/efi_lib.h"

#include <string.h>

#include "boot/efi/console.h"
#include "boot/efi/firmware.h"
#include "boot/efi/hypervisor.h"
#include "boot/efi/modules.h"
#include "boot/efi/options.h"
#include "boot/efi/pages.h"
#include "boot/efi/text_format.h"

#define SECONDS_TO_READ 10
#define SOURCES_MAX	2

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system);

static const EFI_GUID loaded_image_guid = EFI_LOADED_IMAGE_PROTOCOL_GUID;
static const EFI_GUID shell_parameters_guid = {
	0x752f3136, 0x4e16, 0x4fdc, { 0xa2, 0x2a, 0xe5, 0xf4, 0x68, 0x12, 0xf4, 0xca }
};

static struct boot_info *alloc_info(void)
{
	struct boot_info *info = (struct boot_info *)pages_alloc(sizeof(*info), PAGES_BELOW_4G);

	if (!info) {
		log_error("no free memory below 4 GiB");
		return NULL;
	}
	memset(info, 0, sizeof(*info));
	(void)text_print(info->loader, sizeof(info->loader), "neap.efi");
	return info;
}

/* True when the options say something; then no file does. */
static bool take_load_options(const EFI_LOADED_IMAGE_PROTOCOL *loaded, struct boot_info *info)
{
	/* A shell puts the program's name in front, in whatever way it was typed. */
	bool named = efi_protocol(efi_image, &shell_parameters_guid);

	if (!loaded->LoadOptions)
		return false;
	switch (options_from_load_options(loaded->LoadOptions, loaded->LoadOptionsSize, named,
					  info->cmdline, sizeof(info->cmdline))) {
	case OPTIONS_BINARY:
		log_warn("the firmware's load options are not text, and ignored");
		return false;
	case OPTIONS_CUT:
		log_warn("command line cut to %u bytes", BOOT_CMDLINE_MAX - 1);
		return true;
	case OPTIONS_TAKEN:
		return true;
	default:
		return false;
	}
}

static EFI_STATUS load_files(const EFI_LOADED_IMAGE_PROTOCOL *loaded, struct boot_info *info)
{
	struct source *source[SOURCES_MAX];
	unsigned count = 0;

	source[count] = source_volume(loaded->DeviceHandle);
	count += source[count] != NULL;
	source[count] = source_server(loaded->DeviceHandle);
	count += source[count] != NULL;
	if (!take_load_options(loaded, info))
		modules_load_cmdline(source, count, info);
	if (info->cmdline[0])
		log_info("command line: %s", info->cmdline);
	return modules_load(source, count, info);
}

/* All that can be said is said in here; the rest must not fail. */
static EFI_STATUS prepare(struct boot_info **out)
{
	const EFI_LOADED_IMAGE_PROTOCOL *loaded = efi_protocol(efi_image, &loaded_image_guid);
	struct boot_info *info = alloc_info();
	EFI_STATUS status;

	if (!info)
		return EFI_OUT_OF_RESOURCES;
	if (!loaded) {
		log_error("the firmware does not say where this program came from");
		return EFI_UNSUPPORTED;
	}
	status = hypervisor_place(info);
	if (!EFI_ERROR(status))
		status = load_files(loaded, info);
	if (EFI_ERROR(status))
		return status;
	firmware_screen(&info->fb);
	info->rsdp = firmware_rsdp();
	*out = info;
	return EFI_SUCCESS;
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system)
{
	struct boot_info *info;
	EFI_STATUS status;

	efi_image = image;
	efi_system = system;
	/* The firmware's five minutes are not enough for every network. */
	(void)system->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
	log_info("Neap " NEAP_VERSION);
	status = prepare(&info);
	if (EFI_ERROR(status)) {
		log_error("Neap is not started; back to the firmware");
		console_wait_key(SECONDS_TO_READ);
		pages_free_all();
		return status;
	}
	status = firmware_exit(info);
	if (EFI_ERROR(status))
		return status;
	hypervisor_enter(info);
}
