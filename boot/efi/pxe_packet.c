#include "boot/efi/pxe_packet.h"

#include <string.h>

/* RFC 2131, figure 1. */
#define AT_SIADDR  20
#define AT_FILE	   108
#define FILE_SIZE  128
#define AT_COOKIE  236
#define AT_OPTIONS 240

/* RFC 2132. */
enum {
	OPTION_PAD = 0,
	OPTION_OVERLOAD = 52,
	OPTION_SERVER = 54,
	OPTION_FILE = 67,
	OPTION_END = 255
};
#define OVERLOADS_FILE 1

_Static_assert(PXE_FILE_MAX > FILE_SIZE && PXE_FILE_MAX > 255, "both kinds of names fit");

/* The option's contents and their length in n; NULL when it is not there or cut. */
static const u8 *find_option(const u8 *packet, size_t size, u8 code, size_t *n)
{
	size_t at = AT_OPTIONS;

	while (at < size && packet[at] != OPTION_END) {
		if (packet[at] == OPTION_PAD) {
			at++;
			continue;
		}
		if (size - at < 2 || size - at - 2 < packet[at + 1])
			return NULL;
		if (packet[at] == code) {
			*n = packet[at + 1];
			return packet + at + 2;
		}
		at += 2u + packet[at + 1];
	}
	return NULL;
}

static bool is_address(const u8 *p)
{
	return p[0] | p[1] | p[2] | p[3];
}

static bool take_server(const u8 *packet, size_t size, struct pxe_boot *out)
{
	size_t n = 0;
	const u8 *p = find_option(packet, size, OPTION_SERVER, &n);

	if (is_address(packet + AT_SIADDR))
		p = packet + AT_SIADDR;
	else if (!p || n != 4 || !is_address(p))
		return false;
	memcpy(out->server, p, 4);
	return true;
}

/* Both kinds may or may not end with a zero. */
static bool take_file(const u8 *packet, size_t size, struct pxe_boot *out)
{
	size_t n = 0, len = 0;
	const u8 *p = find_option(packet, size, OPTION_OVERLOAD, &n);
	bool overloaded = p && n == 1 && (p[0] & OVERLOADS_FILE);

	p = find_option(packet, size, OPTION_FILE, &n);
	if (!p && !overloaded) {
		p = packet + AT_FILE;
		n = FILE_SIZE;
	}
	if (p)
		len = strnlen((const char *)p, n);
	memcpy(out->file, p ? p : packet, len);
	out->file[len] = '\0';
	return len > 0;
}

bool pxe_packet_parse(const u8 *packet, size_t n, struct pxe_boot *out)
{
	static const u8 cookie[4] = { 99, 130, 83, 99 };

	memset(out, 0, sizeof(*out));
	if (n < AT_OPTIONS || memcmp(packet + AT_COOKIE, cookie, sizeof(cookie)) != 0)
		return false;
	return take_file(packet, n, out) && take_server(packet, n, out);
}

size_t pxe_directory_length(const char *file)
{
	size_t n = 0;

	for (size_t i = 0; file[i]; i++) {
		if (file[i] == '/' || file[i] == '\\')
			n = i + 1;
	}
	return n;
}
