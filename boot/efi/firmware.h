/* What the hypervisor is told of the firmware, and the way out of it. */
#ifndef NEAP_BOOT_EFI_FIRMWARE_H
#define NEAP_BOOT_EFI_FIRMWARE_H

#include "boot/boot_info.h"
#include "boot/efi/efi_lib.h"

/* The ACPI root pointer from the configuration tables, that of ACPI 2.0 preferred; 0: none. */
hpa_t firmware_rsdp(void);

/* In boot/efi/screen.c: the frame buffer that the console is on, else any, else type NONE. */
void firmware_screen(struct boot_framebuffer *fb);

/*
 * The lowest multiple of align from min on with size free bytes below 4 GiB; 0: none. Nobody keeps
 * it free.
 */
u64 firmware_find_memory(u64 size, u64 align, u64 min);

/*
 * Ends the boot services (UEFI 2.10, 7.4.6) and fills info's regions from the memory map that was
 * true then. Any error: they have not ended, but hardly work; all that can be done is to return.
 */
EFI_STATUS firmware_exit(struct boot_info *info) __must_check;

#endif
