#include "boot/efi/source.h"

#include <string.h>

#include "boot/efi/pages.h"
#include "boot/efi/pxe_packet.h"
#include "boot/efi/text_format.h"
#include "core/log.h"

/* A TFTP block in one Ethernet frame, with some room for tunnels; servers may agree on less. */
#define BLOCK_SIZE 1428

struct server {
	struct source source;
	EFI_PXE_BASE_CODE_PROTOCOL *pxe;
	EFI_IP_ADDRESS address;
	char directory[PXE_FILE_MAX]; /* of the boot file, up to its last separator */
	char root[PXE_FILE_MAX + 32];
};

_Static_assert(SOURCE_PATH_MAX > PXE_FILE_MAX + 64 + 16, "directory, place and name fit");

static const EFI_GUID pxe_guid = EFI_PXE_BASE_CODE_PROTOCOL_GUID;
static const struct layout places[] = { { "", "cmdline" }, { "boot/modules/", "boot/cmdline" } };

/* A server that answers that it does not give us the file has none for us. */
static EFI_STATUS transfer(struct server *s, EFI_PXE_BASE_CODE_TFTP_OPCODE operation, char *name,
			   void *to, u64 *size)
{
	UINTN block = BLOCK_SIZE;
	EFI_STATUS status = s->pxe->Mtftp(s->pxe, operation, to, FALSE, size, &block, &s->address,
					  (UINT8 *)name, NULL, FALSE);

	return status == EFI_TFTP_ERROR ? EFI_NOT_FOUND : status;
}

static EFI_STATUS server_load(struct source *source, const char *path, struct loaded_file *out)
{
	struct server *s = container_of(source, struct server, source);
	char name[SOURCE_PATH_MAX];
	EFI_STATUS status;

	if (strlen(s->directory) + strlen(path) >= sizeof(name))
		return EFI_NOT_FOUND;
	(void)text_print(name, sizeof(name), "%s%s", s->directory, path);
	out->size = 0;
	status = transfer(s, EFI_PXE_BASE_CODE_TFTP_GET_FILE_SIZE, name, NULL, &out->size);
	/* iPXE does not tell sizes, nor how much it has read. */
	if (status == EFI_UNSUPPORTED)
		log_warn("this network loader cannot fetch further files; have its script do so");
	if (EFI_ERROR(status))
		return status;
	out->base = pages_alloc(out->size, PAGES_ANYWHERE);
	if (!out->base)
		return EFI_OUT_OF_RESOURCES;
	/* Nobody transfers nothing. */
	if (!out->size)
		return EFI_SUCCESS;
	return transfer(s, EFI_PXE_BASE_CODE_TFTP_READ_FILE, name, (void *)out->base, &out->size);
}

/*
 * The packet by which the firmware booted is the last it got: a boot server's, a proxy's, or the
 * DHCP server's own.
 */
static bool find_boot(const EFI_PXE_BASE_CODE_MODE *mode, struct pxe_boot *boot)
{
	size_t n = sizeof(mode->PxeReply.Raw);

	return (mode->PxeReplyReceived && pxe_packet_parse(mode->PxeReply.Raw, n, boot)) ||
	       (mode->ProxyOfferReceived && pxe_packet_parse(mode->ProxyOffer.Raw, n, boot)) ||
	       (mode->DhcpAckReceived && pxe_packet_parse(mode->DhcpAck.Raw, n, boot));
}

struct source *source_server(EFI_HANDLE device)
{
	static struct server s;
	struct pxe_boot boot;

	s.pxe = efi_protocol(device, &pxe_guid);
	if (!s.pxe || !s.pxe->Mode || !s.pxe->Mode->Started)
		return NULL;
	if (s.pxe->Mode->UsingIpv6) {
		log_warn("started over IPv6; modules can be fetched over IPv4 only");
		return NULL;
	}
	if (!find_boot(s.pxe->Mode, &boot)) {
		log_warn("the DHCP server's answer names no boot file or no server");
		return NULL;
	}
	memcpy(s.address.v4.Addr, boot.server, sizeof(boot.server));
	(void)text_print(s.directory, pxe_directory_length(boot.file) + 1, "%s", boot.file);
	(void)text_print(s.root, sizeof(s.root), "tftp://%u.%u.%u.%u/%s", boot.server[0],
			 boot.server[1], boot.server[2], boot.server[3], s.directory);
	s.source = (struct source){ server_load, s.root, places, ARRAY_SIZE(places) };
	return &s.source;
}
