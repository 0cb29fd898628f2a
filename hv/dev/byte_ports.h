/*
 * For devices whose registers are one byte wide: a wider access is what the ISA bus made of it,
 * one byte access after another at ascending ports. Inlined with a constant function, so that the
 * usual one-byte access costs no indirect call.
 */
#ifndef NEAP_HV_DEV_BYTE_PORTS_H
#define NEAP_HV_DEV_BYTE_PORTS_H

#include "core/types.h"

/* Wider accesses are rare: out of line, so that the others save no registers for them. */
static __attribute__((noinline, unused)) u64 byte_ports_read_wide(
	u8 (*read)(void *dev, unsigned reg), void *dev, u64 offset, unsigned size)
{
	u64 value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= (u64)read(dev, (unsigned)offset + i) << (8 * i);
	return value;
}

/* Out of line: accesses of more than one byte are rare. */
static __attribute__((noinline, unused)) void byte_ports_write_wide(
	void (*write)(void *dev, unsigned reg, u8 value), void *dev, u64 offset, unsigned size,
	u64 value)
{
	for (unsigned i = 0; i < size; i++)
		write(dev, (unsigned)offset + i, (u8)(value >> (8 * i)));
}

/* An access of `size` bytes at `offset`, by calls of the device's function for one byte. */
static force_inline u64 byte_ports_read(u8 (*read)(void *dev, unsigned reg), void *dev, u64 offset,
					unsigned size)
{
	if (unlikely(size != 1))
		return byte_ports_read_wide(read, dev, offset, size);
	return read(dev, (unsigned)offset);
}

/* The same for a write. */
static force_inline void byte_ports_write(void (*write)(void *dev, unsigned reg, u8 value),
					  void *dev, u64 offset, unsigned size, u64 value)
{
	if (unlikely(size != 1))
		byte_ports_write_wide(write, dev, offset, size, value);
	else
		write(dev, (unsigned)offset, (u8)value);
}

#endif
