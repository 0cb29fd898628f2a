#include "boot/efi/hypervisor.h"

#include <errno.h>

#include "boot/efi/elf_image.h"
#include "boot/efi/firmware.h"
#include "boot/efi/pages.h"
#include "core/log.h"

/* boot/entry_efi.S runs at such addresses, and wants to be here. */
#define IMAGE_ALIGN (2 * MIB)
#define IMAGE_FIRST (2 * MIB)

_Static_assert(IMAGE_FIRST % IMAGE_ALIGN == 0, "2 MiB pages map the image");

/* boot/efi/payload.S */
extern const u8 hypervisor_elf[];
extern const u64 hypervisor_elf_size, hypervisor_entry_offset;

EFI_STATUS hypervisor_place(struct boot_info *info)
{
	struct elf_span span;
	u64 base;

	if (elf_image_span(hypervisor_elf, hypervisor_elf_size, &span) || span.base % IMAGE_ALIGN) {
		log_error("the hypervisor in this file is damaged");
		return EFI_LOAD_ERROR;
	}
	base = firmware_find_memory(span.size, IMAGE_ALIGN, IMAGE_FIRST);
	if (!base || !pages_alloc_at(base, span.size)) {
		log_error("no %lu KiB of free memory for the hypervisor below 4 GiB",
			  span.size / KIB);
		return EFI_OUT_OF_RESOURCES;
	}
	elf_image_copy(hypervisor_elf, &span, (u8 *)base);
	info->image_base = HPA(base);
	info->image_size = span.size;
	log_info("hypervisor: %lu KiB at 0x%lx", span.size / KIB, base);
	return EFI_SUCCESS;
}

void hypervisor_enter(const struct boot_info *info)
{
	/* boot/entry_efi.S; it does not return. */
	void (*enter)(u32 magic, u32 info) =
		(void (*)(u32, u32))(info->image_base.v + hypervisor_entry_offset);

	enter(BOOT_EFI_MAGIC, (u32)(u64)info);
	__builtin_unreachable();
}
