/* Ordered, disjoint ranges and a binary search over them without a hard-to-predict branch. */
#include "hv/io_bus.h"

#include <errno.h>

_Static_assert(IO_BUS_MAX_RANGES >= 1, "the search looks at range 0 of an empty bus");
_Static_assert(IO_BUS_MAX_RANGES <= 64, "a port exit affords six steps of the search");

int io_bus_add(struct io_bus *bus, u64 base, u64 size, const struct io_ops *ops, void *dev,
	       const char *name)
{
	unsigned at = 0;

	if (size == 0 || base + (size - 1) < base)
		return -EINVAL;
	while (at < bus->n && bus->range[at].base < base)
		at++;
	if (at > 0 && base - bus->range[at - 1].base < bus->range[at - 1].size)
		return -EEXIST;
	if (at < bus->n && bus->range[at].base - base < size)
		return -EEXIST;
	if (bus->n == IO_BUS_MAX_RANGES)
		return -ENOSPC;

	for (unsigned i = bus->n; i > at; i--)
		bus->range[i] = bus->range[i - 1];
	bus->range[at] = (struct io_range){ base, size, ops, dev, name };
	bus->n++;
	return 0;
}

static force_inline const struct io_range *find(const struct io_bus *bus, u64 addr)
{
	const struct io_range *r = bus->range;

	/* Keeps the last range whose base is not above addr; compiles to conditional moves. */
	for (unsigned n = bus->n; n > 1;) {
		unsigned half = n / 2;

		r = r[half].base <= addr ? r + half : r;
		n -= half;
	}
	/* Below the first range the difference wraps and is above any size; empty: size is 0. */
	return addr - r->base < r->size ? r : NULL;
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

static u64 read_by_bytes(const struct io_bus *bus, u64 addr, unsigned size)
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
	return read_by_bytes(bus, addr, size);
}

static void write_by_bytes(const struct io_bus *bus, u64 addr, unsigned size, u64 value)
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
	else
		write_by_bytes(bus, addr, size, value);
}
