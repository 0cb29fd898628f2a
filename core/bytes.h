/* Little-endian fields at any alignment, in images, tables and structures built for a guest; the
 * caller has checked the bounds. */
#ifndef NEAP_CORE_BYTES_H
#define NEAP_CORE_BYTES_H

#include <string.h>

#include "core/types.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the accessors below copy as is");

/* Little-endian numbers, at an address of any alignment. */
static inline u16 get_le16(const u8 *p)
{
	u16 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u32 get_le32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline u64 get_le64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void put_le32(u8 *p, u32 v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void put_le64(u8 *p, u64 v)
{
	memcpy(p, &v, sizeof(v));
}

#endif
