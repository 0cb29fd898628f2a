#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>

#include "hv/config.h"
#include "hv/load/memmap.h"
#include "hv/load/place.h"

static struct guest_memmap map;

static void init(u64 memory)
{
	assert_int_equal(guest_memmap_init(&map, memory), 0);
}

static void expect_entry(unsigned i, u64 base, u64 end, enum memmap_type type)
{
	assert_true(i < map.count);
	assert_int_equal(map.entry[i].base, base);
	assert_int_equal(map.entry[i].size, end - base);
	assert_int_equal(map.entry[i].type, type);
}

static void expect_ram(unsigned i, u64 base, u64 end)
{
	assert_true(i < map.ram_count);
	assert_int_equal(map.ram[i].base.v, base);
	assert_int_equal(map.ram[i].size, end - base);
}

static void expect_area(struct memmap_area area, u64 base, u64 end)
{
	assert_int_equal(area.base.v, base);
	assert_int_equal(area.size, end - base);
}

static void test_usual(void **state)
{
	(void)state;
	init(512 * MIB);
	assert_int_equal(map.low_end, 512 * MIB);
	assert_int_equal(map.count, 5);
	expect_entry(0, 0, 0x9fc00, MEMMAP_RAM);
	expect_entry(1, 0x9fc00, 0xa0000, MEMMAP_RESERVED);
	expect_entry(2, 0xe0000, 0x100000, MEMMAP_RESERVED);
	expect_entry(3, 0x100000, 511 * MIB, MEMMAP_RAM);
	expect_entry(4, 511 * MIB, 512 * MIB, MEMMAP_ACPI);
	assert_int_equal(map.ram_count, 2);
	expect_ram(0, 0, 0xa0000);
	expect_ram(1, 0xe0000, 512 * MIB);
	expect_area(map.acpi_rsdp_area, 0xe0000, 0xe1000);
	expect_area(map.acpi_table_area, 511 * MIB, 512 * MIB);
	assert_int_equal(map.rsdp.v, 0xe0000);
}

static void test_smallest(void **state)
{
	(void)state;
	init(VM_MIN_MEMORY);
	assert_int_equal(map.count, 3);
	expect_entry(2, 0xe0000, 0x100000, MEMMAP_RESERVED);
	assert_int_equal(map.ram_count, 2);
	expect_ram(1, 0xe0000, 0x100000);
	expect_area(map.acpi_rsdp_area, 0xe0000, 0xe1000);
	expect_area(map.acpi_table_area, 0xe1000, 0x100000);

	init(VM_MIN_MEMORY + PAGE_SIZE);
	assert_int_equal(map.count, 4);
	expect_entry(3, 0x100000, 0x101000, MEMMAP_RAM);
}

static void test_acpi_edge(void **state)
{
	(void)state;
	init(MEMMAP_ACPI_MIN - PAGE_SIZE);
	assert_int_equal(map.count, 4);
	expect_entry(3, MIB, MEMMAP_ACPI_MIN - PAGE_SIZE, MEMMAP_RAM);
	expect_area(map.acpi_table_area, 0xe1000, 0x100000);
	init(MEMMAP_ACPI_MIN);
	assert_int_equal(map.count, 5);
	expect_entry(3, MIB, 15 * MIB, MEMMAP_RAM);
	expect_area(map.acpi_table_area, 15 * MIB, 16 * MIB);
}

static void test_hole_edge(void **state)
{
	(void)state;
	init(MEMMAP_LOW_MAX);
	assert_int_equal(map.count, 5);
	assert_int_equal(map.ram_count, 2);
	expect_ram(1, 0xe0000, 3 * GIB);
	init(MEMMAP_LOW_MAX + PAGE_SIZE);
	assert_int_equal(map.count, 6);
	expect_entry(4, 3 * GIB - MIB, 3 * GIB, MEMMAP_ACPI);
	expect_entry(5, 4 * GIB, 4 * GIB + PAGE_SIZE, MEMMAP_RAM);
	assert_int_equal(map.ram_count, 3);
	expect_ram(2, 4 * GIB, 4 * GIB + PAGE_SIZE);
	init(VM_MAX_MEMORY);
	expect_entry(5, 4 * GIB, VM_MAX_MEMORY + GIB, MEMMAP_RAM);
}

static void test_refused(void **state)
{
	(void)state;
	assert_int_equal(guest_memmap_init(&map, 0), -EINVAL);
	assert_int_equal(guest_memmap_init(&map, VM_MIN_MEMORY - PAGE_SIZE), -EINVAL);
	assert_int_equal(guest_memmap_init(&map, VM_MIN_MEMORY + 1), -EINVAL);
	assert_int_equal(guest_memmap_init(&map, VM_MAX_MEMORY + PAGE_SIZE), -EINVAL);
	assert_int_equal(guest_memmap_init(&map, UINT64_MAX), -EINVAL);
}

/* For many sizes: entries in order and disjoint, RAM backed, tables in backed non-RAM. */
static void test_invariants(void **state)
{
	(void)state;
	for (u64 memory = VM_MIN_MEMORY; memory <= VM_MAX_MEMORY; memory += memory / 3 & ~4095ull) {
		u64 last = 0, backed = 0;

		init(memory);
		for (unsigned i = 0; i < map.count; i++) {
			assert_true(map.entry[i].base >= last);
			assert_true(map.entry[i].size > 0);
			last = map.entry[i].base + map.entry[i].size;
		}
		for (unsigned i = 0; i < map.ram_count; i++) {
			assert_true(IS_ALIGNED(map.ram[i].base.v | map.ram[i].size, PAGE_SIZE));
			backed += map.ram[i].size;
		}
		assert_int_equal(backed, memory - 256 * KIB);
		assert_true(IS_ALIGNED(map.acpi_table_area.base.v, PAGE_SIZE));
	}
}

static struct place place;

static void expect_low(int err, u64 size, u64 align, u64 min, u64 max, u64 at)
{
	gpa_t got = GPA(0);

	assert_int_equal(place_low(&place, size, align, min, max, &got), err);
	assert_int_equal(got.v, at);
}

static void expect_high(int err, u64 size, u64 align, u64 min, u64 max, u64 at)
{
	gpa_t got = GPA(0);

	assert_int_equal(place_high(&place, size, align, min, max, &got), err);
	assert_int_equal(got.v, at);
}

static void test_place_claim(void **state)
{
	(void)state;
	init(64 * MIB);
	place_init(&place, &map);
	assert_int_equal(place_claim(&place, 0, 0), -EFAULT);
	assert_int_equal(place_claim(&place, 0, 0x9fc00), 0);
	assert_int_equal(place_claim(&place, 0x9fbff, 2), -EFAULT);
	assert_int_equal(place_claim(&place, 0x9fc00, 1), -EFAULT);
	assert_int_equal(place_claim(&place, 0xe0000, 1), -EFAULT);
	assert_int_equal(place_claim(&place, 63 * MIB - 1, 1), 0);
	assert_int_equal(place_claim(&place, 63 * MIB - 1, 2), -EFAULT);
	assert_int_equal(place_claim(&place, MIB, UINT64_MAX), -EFAULT);
	assert_int_equal(place_claim(&place, UINT64_MAX, 2), -EFAULT);
	assert_int_equal(place.n, 2);
	/* Overlapping, touching and enclosing pieces become one. */
	assert_int_equal(place_claim(&place, 2 * MIB, MIB), 0);
	assert_int_equal(place_claim(&place, 5 * MIB, MIB), 0);
	assert_int_equal(place.n, 4);
	assert_int_equal(place_claim(&place, 3 * MIB, 2 * MIB), 0);
	assert_int_equal(place.n, 3);
	assert_int_equal(place.used[1].base, 2 * MIB);
	assert_int_equal(place.used[1].end, 6 * MIB);
	assert_int_equal(place_claim(&place, 3 * MIB, 1), 0);
	assert_int_equal(place_claim(&place, MIB, 62 * MIB), 0);
	assert_int_equal(place.n, 2);
}

static void test_place_full(void **state)
{
	(void)state;
	init(64 * MIB);
	place_init(&place, &map);
	for (unsigned i = 0; i < PLACE_USED_MAX; i++)
		assert_int_equal(place_claim(&place, MIB + i * 0x2000, 0x1000), 0);
	assert_int_equal(place_claim(&place, MIB + PLACE_USED_MAX * 0x2000, 1), -ENOSPC);
	expect_high(-ENOSPC, 1, 1, MIB, 4 * GIB, 63 * MIB - 1);
	assert_int_equal(place_claim(&place, MIB + 0x1000, 0x1000), 0); /* joins two */
	assert_int_equal(place.n, PLACE_USED_MAX - 1);
	assert_int_equal(place_claim(&place, 32 * MIB, 1), 0);
}

static void test_place_low(void **state)
{
	(void)state;
	init(4 * GIB);
	place_init(&place, &map);
	expect_low(0, 0x1000, 0x1000, 0x10000, 0x9fc00, 0x10000);
	expect_low(0, 0x1001, 0x1000, 0x10000, 0x9fc00, 0x11000);
	expect_low(0, 1, 1, 0x10000, 0x9fc00, 0x12001);
	expect_low(-ENOMEM, 0x9fc00, 1, 0, 0x9fc00, 0);
	/* Around a piece in use, and up to the last byte. */
	assert_int_equal(place_claim(&place, 2 * MIB, MIB), 0);
	expect_low(0, MIB, MIB, MIB, 4 * GIB, MIB);
	expect_low(0, MIB, MIB, MIB, 4 * GIB, 3 * MIB);
	expect_low(-ENOMEM, 3 * GIB - 5 * MIB + 1, 1, MIB, 4 * GIB, 0);
	expect_low(0, 3 * GIB - 5 * MIB, 1, MIB, 4 * GIB, 4 * MIB);
	expect_low(-ENOMEM, 1, 1, MIB, 4 * GIB, 0);
	expect_low(0, GIB, GIB, MIB, UINT64_MAX, 4 * GIB);
	expect_low(-ENOMEM, 1, 1, MIB, UINT64_MAX, 0);
	expect_low(-ENOMEM, UINT64_MAX, 1, 0, UINT64_MAX, 0);
}

static void test_place_behind(void **state)
{
	gpa_t at;

	(void)state;
	init(64 * MIB);
	place_init(&place, &map);
	assert_int_equal(place_behind(&place, 1, 0x1000, 0x10000, MIB, &at), 0);
	assert_int_equal(at.v, 0x10000);
	assert_int_equal(place_claim(&place, 2 * MIB, 1), 0);
	assert_int_equal(place_claim(&place, 61 * MIB, MIB), 0);
	assert_int_equal(place_behind(&place, MIB, MIB, MIB, 4 * GIB, &at), 0);
	assert_int_equal(at.v, 62 * MIB);
	assert_int_equal(place_behind(&place, MIB, MIB, MIB, 4 * GIB, &at), 0);
	assert_int_equal(at.v, MIB);
	assert_int_equal(place_behind(&place, MIB, MIB, MIB, 4 * GIB, &at), 0);
	assert_int_equal(at.v, 3 * MIB);
	assert_int_equal(place_behind(&place, 60 * MIB, MIB, MIB, 4 * GIB, &at), -ENOMEM);
	/* Only what is used below max counts. */
	assert_int_equal(place_claim(&place, 0x20000, 1), 0);
	assert_int_equal(place_behind(&place, 1, 1, 0x10000, MIB, &at), 0);
	assert_int_equal(at.v, 0x20001);
}

static void test_place_high(void **state)
{
	(void)state;
	init(64 * MIB);
	place_init(&place, &map);
	expect_high(0, 0x1001, 0x1000, MIB, 4 * GIB, 63 * MIB - 0x2000);
	expect_high(0, 0x1000, 0x1000, MIB, 4 * GIB, 63 * MIB - 0x3000);
	expect_high(0, 0x1000, 0x1000, MIB, 8 * MIB + 0x800, 8 * MIB - 0x1000);
	assert_int_equal(place_claim(&place, 2 * MIB, 5 * MIB), 0);
	expect_high(0, MIB, 0x1000, MIB, 8 * MIB, MIB);
	expect_high(-ENOMEM, MIB, 0x1000, MIB, 8 * MIB, 0);
	assert_int_equal(place_largest(&place, MIB, 8 * MIB), MIB - 0x1000);
	expect_high(0, MIB - 0x1000, 0x1000, MIB, 8 * MIB, 7 * MIB);
	assert_int_equal(place_largest(&place, MIB, 8 * MIB), 0);
	assert_int_equal(place_largest(&place, 0, UINT64_MAX), 55 * MIB - 0x3000);
	expect_high(0, 0x9fc00, 1, 0, MIB, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual),	     cmocka_unit_test(test_smallest),
		cmocka_unit_test(test_acpi_edge),    cmocka_unit_test(test_hole_edge),
		cmocka_unit_test(test_refused),	     cmocka_unit_test(test_invariants),
		cmocka_unit_test(test_place_claim),  cmocka_unit_test(test_place_full),
		cmocka_unit_test(test_place_low),    cmocka_unit_test(test_place_high),
		cmocka_unit_test(test_place_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
