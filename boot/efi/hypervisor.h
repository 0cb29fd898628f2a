/* The hypervisor that this program carries. */
#ifndef NEAP_BOOT_EFI_HYPERVISOR_H
#define NEAP_BOOT_EFI_HYPERVISOR_H

#include "boot/boot_info.h"
#include "boot/efi/efi_lib.h"

/*
 * Copies it to where it will run, at a multiple of 2 MiB below 4 GiB, 2 MiB itself if that is free,
 * and says where in info. An error is said, too.
 */
EFI_STATUS hypervisor_place(struct boot_info *info);

/* Enters it. Boot services have ended; info is below 4 GiB. */
void hypervisor_enter(const struct boot_info *info) __noreturn;

#endif
