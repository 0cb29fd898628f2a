/* Dispatch of port and memory accesses. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "hv/io_bus.h"

/* A device that remembers its bytes and counts its calls. */
struct ram {
	u8 byte[64];
	unsigned reads, writes, last_size;
};

static u64 ram_read(void *dev, u64 offset, unsigned size)
{
	struct ram *ram = dev;
	u64 v = ~0ull; /* garbage above: the bus must cut it off */

	assert_true(offset + size <= sizeof(ram->byte));
	memcpy(&v, ram->byte + offset, size);
	ram->reads++;
	ram->last_size = size;
	return v;
}

static void ram_write(void *dev, u64 offset, unsigned size, u64 value)
{
	struct ram *ram = dev;

	assert_true(offset + size <= sizeof(ram->byte));
	if (size < 8)
		assert_int_equal(value >> (8 * size), 0);
	memcpy(ram->byte + offset, &value, size);
	ram->writes++;
	ram->last_size = size;
}

static const struct io_ops ram_ops = { ram_read, ram_write };

static void test_add_refuses(void **state __unused)
{
	static struct ram ram;
	struct io_bus bus = { 0 };

	assert_int_equal(io_bus_add(&bus, 0x10, 0, &ram_ops, &ram, "a"), -EINVAL);
	assert_int_equal(io_bus_add(&bus, ~0ull, 2, &ram_ops, &ram, "a"), -EINVAL);
	assert_int_equal(io_bus_add(&bus, ~0ull, 1, &ram_ops, &ram, "a"), -EINVAL);
	assert_int_equal(io_bus_add(&bus, ~0ull - 1, 1, &ram_ops, &ram, "top"), 0);
	assert_int_equal(io_bus_find(&bus, ~0ull - 1)->base, ~0ull - 1);
	assert_null(io_bus_find(&bus, ~0ull));
	assert_int_equal(io_bus_add(&bus, 0x100, 0x10, &ram_ops, &ram, "a"), 0);
	assert_int_equal(io_bus_add(&bus, 0x100, 0x10, &ram_ops, &ram, "a"), -EEXIST);
	assert_int_equal(io_bus_add(&bus, 0x10f, 1, &ram_ops, &ram, "a"), -EEXIST);
	assert_int_equal(io_bus_add(&bus, 0xff, 2, &ram_ops, &ram, "a"), -EEXIST);
	assert_int_equal(io_bus_add(&bus, 0, 0x1000, &ram_ops, &ram, "a"), -EEXIST);
	assert_int_equal(io_bus_add(&bus, 0x110, 1, &ram_ops, &ram, "after"), 0);
	assert_int_equal(io_bus_add(&bus, 0xff, 1, &ram_ops, &ram, "before"), 0);
	assert_int_equal(bus.n, 4);
	for (unsigned i = 1; i < bus.n; i++)
		assert_true(bus.range[i - 1].base < bus.range[i].base);
}

static void test_full(void **state __unused)
{
	static struct ram ram;
	struct io_bus bus = { 0 };

	/* Added downwards: each insertion moves all the others. */
	for (unsigned i = 0; i < IO_BUS_MAX_RANGES; i++)
		assert_int_equal(io_bus_add(&bus, 1000 - 4 * i, 2, &ram_ops, &ram, "r"), 0);
	assert_int_equal(io_bus_add(&bus, 5000, 2, &ram_ops, &ram, "r"), -ENOSPC);
	/* A clash is told as such even then. */
	assert_int_equal(io_bus_add(&bus, 1000, 2, &ram_ops, &ram, "r"), -EEXIST);
	for (unsigned i = 0; i < IO_BUS_MAX_RANGES; i++) {
		u64 base = 1000 - 4 * i;

		assert_int_equal(io_bus_find(&bus, base)->base, base);
		assert_int_equal(io_bus_find(&bus, base + 1)->base, base);
		assert_null(io_bus_find(&bus, base + 2));
		assert_null(io_bus_find(&bus, base - 1));
	}
}

/* Every number of ranges, every address around them: against a plain search. */
static void test_find_all(void **state __unused)
{
	static struct ram ram;
	struct io_bus bus = { 0 };

	assert_null(io_bus_find(&bus, 0));
	assert_null(io_bus_find(&bus, ~0ull));
	for (unsigned n = 1; n <= IO_BUS_MAX_RANGES; n++) {
		assert_int_equal(io_bus_add(&bus, 10 * n, 3, &ram_ops, &ram, "r"), 0);
		for (u64 a = 0; a < 10 * n + 20; a++) {
			const struct io_range *r = io_bus_find(&bus, a);
			bool inside = a >= 10 && a < 10 * (n + 1) && a % 10 < 3;

			assert_int_equal(r != NULL, inside);
			if (r)
				assert_int_equal(r->base, a / 10 * 10);
		}
	}
}

static void test_access(void **state __unused)
{
	struct ram ram = { 0 };
	struct io_bus bus = { 0 };

	assert_int_equal(io_bus_add(&bus, 0x1000, 64, &ram_ops, &ram, "ram"), 0);
	io_bus_write(&bus, 0x1008, 8, 0x1122334455667788);
	assert_int_equal(io_bus_read(&bus, 0x1008, 8), 0x1122334455667788);
	assert_int_equal(io_bus_read(&bus, 0x1008, 4), 0x55667788);
	assert_int_equal(io_bus_read(&bus, 0x100a, 2), 0x5566);
	assert_int_equal(io_bus_read(&bus, 0x100f, 1), 0x11);
	io_bus_write(&bus, 0x1008, 1, 0xffffff99); /* only a byte may reach the device */
	assert_int_equal(io_bus_read(&bus, 0x1008, 2), 0x7799);
	assert_int_equal(ram.writes, 2);
	/* The last bytes of the range, in one piece. */
	io_bus_write(&bus, 0x103c, 4, 0xdeadbeef);
	assert_int_equal(ram.last_size, 4);
	assert_int_equal(io_bus_read(&bus, 0x103c, 4), 0xdeadbeef);
}

static void test_unclaimed_and_crossing(void **state __unused)
{
	struct ram a = { 0 }, b = { 0 };
	struct io_bus bus = { 0 };

	assert_int_equal(io_bus_read(&bus, 0x80, 1), 0xff);
	assert_int_equal(io_bus_read(&bus, 0x80, 4), 0xffffffff);
	assert_int_equal(io_bus_read(&bus, 0x80, 8), ~0ull);
	io_bus_write(&bus, 0x80, 4, 1);

	assert_int_equal(io_bus_add(&bus, 0x10, 2, &ram_ops, &a, "a"), 0);
	assert_int_equal(io_bus_add(&bus, 0x12, 1, &ram_ops, &b, "b"), 0);
	io_bus_write(&bus, 0xf, 8, 0x0807060504030201);
	assert_int_equal(a.byte[0], 2);
	assert_int_equal(a.byte[1], 3);
	assert_int_equal(b.byte[0], 4);
	assert_int_equal(b.byte[1], 0);
	assert_int_equal(a.writes, 2);
	assert_int_equal(io_bus_read(&bus, 0xf, 4), 0x040302ff);
	assert_int_equal(io_bus_read(&bus, 0x11, 2), 0x0403);
	assert_int_equal(io_bus_read(&bus, 0x12, 2), 0xff04);
	assert_int_equal(b.last_size, 1);
	/* At the end of the address space the rest wraps round; nobody is there. */
	assert_int_equal(io_bus_read(&bus, ~0ull, 2), 0xffff);
}

/* The end of what is found without a search; a range on both sides of it. */
static void test_low_addresses(void **state __unused)
{
	static struct ram ram, other;
	struct io_bus bus = { 0 };
	u64 edge = IO_BUS_LOW;

	assert_null(io_bus_find(&bus, 0));
	assert_null(io_bus_find(&bus, edge - 1));
	assert_int_equal(io_bus_add(&bus, edge - 2, 4, &ram_ops, &ram, "edge"), 0);
	assert_int_equal(io_bus_add(&bus, 0, 1, &ram_ops, &other, "first"), 0);
	assert_ptr_equal(io_bus_find(&bus, 0)->dev, &other);
	assert_null(io_bus_find(&bus, 1));
	assert_null(io_bus_find(&bus, edge - 3));
	for (u64 a = edge - 2; a < edge + 2; a++)
		assert_ptr_equal(io_bus_find(&bus, a)->dev, &ram);
	assert_null(io_bus_find(&bus, edge + 2));
	io_bus_write(&bus, edge - 1, 2, 0xabcd);
	assert_memory_equal(ram.byte + 1, "\xcd\xab", 2);
	assert_int_equal(io_bus_read(&bus, edge, 1), 0xab);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_low_addresses), cmocka_unit_test(test_add_refuses),
		cmocka_unit_test(test_full),	      cmocka_unit_test(test_find_all),
		cmocka_unit_test(test_access),	      cmocka_unit_test(test_unclaimed_and_crossing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
