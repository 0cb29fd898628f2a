/* What a DHCP answer says about the file that was booted. Needs nothing but string.h. */
#ifndef NEAP_BOOT_EFI_PXE_PACKET_H
#define NEAP_BOOT_EFI_PXE_PACKET_H

#include "core/types.h"

/* Longest name: that of a DHCP option. */
#define PXE_FILE_MAX 256

struct pxe_boot {
	u8 server[4];		 /* IPv4 address */
	char file[PXE_FILE_MAX]; /* as the server knows it */
};

/*
 * Reads n bytes of a DHCPv4 packet (RFC 2131, 2132; not trusted). The file is option 67's, else the
 * header's; the server the header's "next server", else option 54's. False: one of them is missing.
 */
bool pxe_packet_parse(const u8 *packet, size_t n, struct pxe_boot *out) __must_check;

/* Length of the directory that a file's name begins with, its last separator included. */
size_t pxe_directory_length(const char *file);

#endif
