/*
 * libFuzzer entry: any bytes as what neap.efi is given by others: a manifest, load options, a file
 * with the command line, a DHCP packet. What comes out ends where it should.
 */
#include <stdlib.h>
#include <string.h>

#include "boot/efi/manifest_names.h"
#include "boot/efi/options.h"
#include "boot/efi/pxe_packet.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_names(const u8 *data, size_t size)
{
	static struct manifest_names names;

	manifest_names_scan((const char *)data, size, &names);
	check(names.count <= MANIFEST_NAMES_MAX);
	for (unsigned i = 0; i < names.count; i++) {
		check(names.name[i][0] && memchr(names.name[i], '\0', BOOT_NAME_MAX));
		for (unsigned k = 0; k < i; k++)
			check(strcmp(names.name[i], names.name[k]) != 0);
	}
}

static void check_options(const u8 *data, size_t size)
{
	char out[64];

	for (unsigned named = 0; named < 2; named++) {
		(void)options_from_load_options(data, size, named, out, sizeof(out));
		check(memchr(out, '\0', sizeof(out)));
	}
	(void)options_from_text((const char *)data, size, out, sizeof(out));
	check(memchr(out, '\0', sizeof(out)));
}

static void check_packet(const u8 *data, size_t size)
{
	struct pxe_boot boot;

	if (!pxe_packet_parse(data, size, &boot))
		return;
	check(boot.file[0] && memchr(boot.file, '\0', PXE_FILE_MAX));
	check(pxe_directory_length(boot.file) <= strlen(boot.file));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	check_names(data, size);
	check_options(data, size);
	check_packet(data, size);
	return 0;
}
