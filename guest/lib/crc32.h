#ifndef GUEST_CRC32_H
#define GUEST_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32 of zlib, gzip and cksum -a crc32b: polynomial 0xedb88320, start and end inverted. */
static inline uint32_t crc32(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = ~0u;
	int bit;

	for (; len; len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

#endif
