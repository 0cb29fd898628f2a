/*
 * Dispatch of guest port I/O and MMIO to virtual devices. A VM has two buses: ports and
 * guest-physical addresses. What nobody claims reads as all ones and ignores writes.
 */
#ifndef NEAP_HV_IO_BUS_H
#define NEAP_HV_IO_BUS_H

#include "core/types.h"

#define IO_BUS_MAX_RANGES 32
#define IO_BUS_LOW	  1024 /* addresses found without a search: the ports of an ISA bus */

/* Offsets are from the range's base. size is 1, 2, 4 or 8 bytes and never leaves the range. */
struct io_ops {
	u64 (*read)(void *dev, u64 offset, unsigned size);
	void (*write)(void *dev, u64 offset, unsigned size, u64 value);
};

struct io_range {
	u64 base, size;
	const struct io_ops *ops;
	void *dev;
	const char *name;
};

/* Filled while the VM is built, then read-only: so readers need no lock. */
struct io_bus {
	unsigned n;
	/* Ordered by base, disjoint; the one behind them is never used and holds no address. */
	struct io_range range[IO_BUS_MAX_RANGES + 1];
	u8 low[IO_BUS_LOW]; /* which range holds the address, or the one that holds none */
};

/* -ENOSPC: full; -EEXIST: overlaps another; -EINVAL: empty or wraps. Before the VM runs. */
int io_bus_add(struct io_bus *bus, u64 base, u64 size, const struct io_ops *ops, void *dev,
	       const char *name) __must_check;

/* Below the range the difference wraps and is above any size. */
static force_inline bool io_range_holds(const struct io_range *r, u64 addr)
{
	return addr - r->base < r->size;
}

/* The range that holds addr, which is below IO_BUS_LOW, or one that does not hold it. */
static force_inline const struct io_range *io_bus_low_range(const struct io_bus *bus, u64 addr)
{
	size_t i = bus->low[addr];

	return &bus->range[i];
}

/* The range that holds addr, or NULL. */
const struct io_range *io_bus_find(const struct io_bus *bus, u64 addr);

/*
 * Reads size bytes (1, 2, 4, 8) at addr; an access that crosses the end of a range is done byte by
 * byte. Returns the value zero-extended; all ones in the bytes nobody claims.
 */
u64 io_bus_read(const struct io_bus *bus, u64 addr, unsigned size);
void io_bus_write(const struct io_bus *bus, u64 addr, unsigned size, u64 value);

#endif
