/* Ordered, disjoint ranges; a table for low addresses, a binary search for the others. */
#include "hv/io_bus.h"

#include <errno.h>
#include <string.h>

_Static_assert(IO_BUS_MAX_RANGES == 32, "search() takes five steps");
_Static_assert(IO_BUS_MAX_RANGES <= UINT8_MAX, "a byte names each, and the one behind them");

/* Entries not in use lie above all others and hold no address. */
static void clear_unused(struct io_bus *bus)
{
	for (unsigned i = bus->n; i < ARRAY_SIZE(bus->range); i++)
		bus->range[i] = (struct io_range){ .base = UINT64_MAX };
}

static void fill_low(struct io_bus *bus)
{
	memset(bus->low, IO_BUS_MAX_RANGES, sizeof(bus->low));
	for (unsigned i = 0; i < bus->n && bus->range[i].base < IO_BUS_LOW; i++) {
		u64 base = bus->range[i].base;

		memset(bus->low + base, (int)i, MIN(bus->range[i].size, IO_BUS_LOW - base));
	}
}

int io_bus_add(struct io_bus *bus, u64 base, u64 size, const struct io_ops *ops, void *dev,
	       const char *name)
{
	unsigned at = 0;

	/* The very last address counts as a wrap, too: find() has its use for it. */
	if (size == 0 || base + size < base)
		return -EINVAL;
	while (at < bus->n && bus->range[at].base < base)
		at++;
	if (at > 0 && base - bus->range[at - 1].base < bus->range[at - 1].size)
		return -EEXIST;
	if (at < bus->n && bus->range[at].base - base < size)
		return -EEXIST;
	if (bus->n == IO_BUS_MAX_RANGES)
		return -ENOSPC;

	if (bus->n == 0)
		clear_unused(bus);
	for (unsigned i = bus->n; i > at; i--)
		bus->range[i] = bus->range[i - 1];
	bus->range[at] = (struct io_range){ base, size, ops, dev, name };
	bus->n++;
	fill_low(bus);
	return 0;
}

/* One step of the search: a compare and a conditional move. */
static force_inline const struct io_range *skip(const struct io_range *r, unsigned n, u64 addr)
{
	return r[n].base <= addr ? r + n : r;
}

/*
 * The last range whose base is not above addr. The number of ranges does not come in: what is not
 * used compares as above addr, or holds nothing.
 */
static force_inline const struct io_range *search(const struct io_bus *bus, u64 addr)
{
	const struct io_range *r = bus->range;

	r = skip(r, 16, addr);
	r = skip(r, 8, addr);
	r = skip(r, 4, addr);
	r = skip(r, 2, addr);
	return skip(r, 1, addr);
}

static force_inline const struct io_range *find(const struct io_bus *bus, u64 addr)
{
	const struct io_range *r;

	r = addr < IO_BUS_LOW ? io_bus_low_range(bus, addr) : search(bus, addr);
	return io_range_holds(r, addr) ? r : NULL;
}

const struct io_range *io_bus_find(const struct io_bus *bus, u64 addr)
{
	return find(bus, addr);
}

static force_inline u64 size_mask(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

static force_inline bool fits(const struct io_range *r, u64 offset, unsigned size)
{
	return size <= r->size - offset;
}

static u64 read_byte(const struct io_bus *bus, u64 addr)
{
	const struct io_range *r = find(bus, addr);

	return r ? r->ops->read(r->dev, addr - r->base, 1) & 0xff : 0xff;
}

/* Out of line, to keep the usual way short. */
static __attribute__((noinline)) u64 read_by_bytes(const struct io_bus *bus, u64 addr,
						   unsigned size)
{
	u64 value = 0;

	for (unsigned i = 0; i < size; i++)
		value |= read_byte(bus, addr + i) << (8 * i);
	return value;
}

u64 io_bus_read(const struct io_bus *bus, u64 addr, unsigned size)
{
	const struct io_range *r = find(bus, addr);

	if (likely(r && fits(r, addr - r->base, size)))
		return r->ops->read(r->dev, addr - r->base, size) & size_mask(size);
	if (size == 1)
		return 0xff;
	return read_by_bytes(bus, addr, size);
}

static __attribute__((noinline)) void write_by_bytes(const struct io_bus *bus, u64 addr,
						     unsigned size, u64 value)
{
	for (unsigned i = 0; i < size; i++) {
		const struct io_range *r = find(bus, addr + i);

		if (r)
			r->ops->write(r->dev, addr + i - r->base, 1, (value >> (8 * i)) & 0xff);
	}
}

void io_bus_write(const struct io_bus *bus, u64 addr, unsigned size, u64 value)
{
	const struct io_range *r = find(bus, addr);

	if (likely(r && fits(r, addr - r->base, size)))
		r->ops->write(r->dev, addr - r->base, size, value & size_mask(size));
	else if (size > 1)
		write_by_bytes(bus, addr, size, value);
}
