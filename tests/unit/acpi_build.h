/* Little-endian fields of the tables that the ACPI tests make up. */
#ifndef NEAP_TESTS_ACPI_BUILD_H
#define NEAP_TESTS_ACPI_BUILD_H

#include "arch/x86/acpi_parse.h"

static inline void put16(u8 *p, u16 v)
{
	memcpy(p, &v, 2);
}

static inline void put32(u8 *p, u32 v)
{
	memcpy(p, &v, 4);
}

static inline void put64(u8 *p, u64 v)
{
	memcpy(p, &v, 8);
}

static inline void put_gas(u8 *p, u8 space, u8 width, u8 access, u64 address)
{
	p[0] = space;
	p[1] = width;
	p[2] = 0;
	p[3] = access;
	put64(p + 4, address);
}

/* Makes the checksum right. */
static inline void seal(u8 *t)
{
	t[9] = 0;
	t[9] = (u8)-acpi_sum(t, get_le32(t + 4));
}

#endif
