/* GNU-EFI's headers, as boot/efi/ uses them: calls go through types with the firmware's ABI. */
#ifndef NEAP_BOOT_EFI_EFI_LIB_H
#define NEAP_BOOT_EFI_EFI_LIB_H

#include <efi.h>

#include "core/types.h"

/* Set first of all by efi_main(). Boot services end with firmware_exit(). */
extern EFI_HANDLE efi_image;
extern EFI_SYSTEM_TABLE *efi_system;

/* Words for a status, for messages. */
const char *efi_status_text(EFI_STATUS status);

/* The protocol on a handle, NULL when it has none. */
void *efi_protocol(EFI_HANDLE handle, const EFI_GUID *guid);

#endif
