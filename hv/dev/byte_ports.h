/*
 * For devices whose registers are one byte wide: a wider access is what the ISA bus made of it,
 * one byte access after another at ascending ports. Inlined with a constant function, so that the
 * usual one-byte access costs no indirect call.
 */
#ifndef NEAP_HV_DEV_BYTE_PORTS_H
#define NEAP_HV_DEV_BYTE_PORTS_H

#include "core/types.h"

static force_inline u64 byte_ports_read(u8 (*read)(void *dev, unsigned reg), void *dev, u64 offset,
					unsigned size)
{
	u64 value = read(dev, (unsigned)offset);

	for (unsigned i = 1; i < size; i++)
		value |= (u64)read(dev, (unsigned)offset + i) << (8 * i);
	return value;
}

static force_inline void byte_ports_write(void (*write)(void *dev, unsigned reg, u8 value),
					  void *dev, u64 offset, unsigned size, u64 value)
{
	write(dev, (unsigned)offset, (u8)value);
	for (unsigned i = 1; i < size; i++)
		write(dev, (unsigned)offset + i, (u8)(value >> (8 * i)));
}

#endif
