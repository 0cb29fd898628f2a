/* The guest page walk over page tables built by hand, in each mode, with each kind of fault. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "hv/gva.h"

#define TABLES	 8
#define MEM_SIZE (TABLES * PAGE_SIZE)

#define P   BIT(0)
#define W   BIT(1)
#define U   BIT(2)
#define A   BIT(5)
#define D   BIT(6)
#define PS  BIT(7)
#define G   BIT(8)
#define PAT BIT(12) /* of a large page */
#define NX  BIT(63)

#define CR0_WP	 BIT(16)
#define CR0_PG	 BIT(31)
#define CR4_PSE	 BIT(4)
#define CR4_PAE	 BIT(5)
#define CR4_LA57 BIT(12)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define LMA	 BIT(10)
#define NXE	 BIT(11)

/* Guest-physical memory from 0; table n is page n, and CR3 is table 1. */
static u8 mem[MEM_SIZE] __aligned(8);
static struct gva_mode mode;
static struct gva_result out;
static struct guest_fault fault;
static unsigned reads, changes, changes_left;
static int cas_error;

static int read_pte(void *ctx, gpa_t gpa, void *buf, size_t size)
{
	assert_ptr_equal(ctx, &mode);
	assert_true(size == 4 || size == 8);
	reads++;
	if (gpa.v > MEM_SIZE - size)
		return -ENXIO;
	memcpy(buf, mem + gpa.v, size);
	return 0;
}

static int cas_pte(void *ctx __unused, gpa_t gpa, u64 old, u64 new, size_t size)
{
	u64 now = 0;

	if (cas_error)
		return cas_error;
	memcpy(&now, mem + gpa.v, size);
	assert_int_equal(now, old);
	if (changes_left) {
		changes_left--;
		return -EAGAIN;
	}
	changes++;
	memcpy(mem + gpa.v, &new, size);
	return 0;
}

static const struct gva_ops ops = { read_pte, cas_pte };

static int walk(u64 gva, unsigned access)
{
	reads = changes = 0;
	memset(&fault, 0xee, sizeof(fault));
	return gva_translate(&mode, &ops, &mode, gva, access, &out, &fault);
}

static u64 table(unsigned n)
{
	return n * PAGE_SIZE;
}

static u64 *entry8(unsigned t, unsigned i)
{
	return (u64 *)(void *)(mem + table(t) + 8 * i);
}

static u32 *entry4(unsigned t, unsigned i)
{
	return (u32 *)(void *)(mem + table(t) + 4 * i);
}

static void expect_gpa(u64 gva, unsigned access, u64 gpa, u64 page_size)
{
	assert_int_equal(walk(gva, access), 0);
	assert_int_equal(out.gpa.v, gpa);
	assert_int_equal(out.page_size, page_size);
}

static void expect_pf(u64 gva, unsigned access, u32 code)
{
	assert_int_equal(walk(gva, access), -EFAULT);
	assert_int_equal(fault.vector, GUEST_PF);
	assert_true(fault.has_error);
	assert_int_equal(fault.error_code, code);
	assert_int_equal(fault.cr2, gva);
	assert_int_equal(changes, 0);
}

static int set_up(void **state __unused)
{
	memset(mem, 0, sizeof(mem));
	changes_left = 0;
	cas_error = 0;
	mode = (struct gva_mode){ .cr0 = CR0_PG | CR0_WP | 1, .cr3 = table(1), .maxphyaddr = 40 };
	return 0;
}

/* Tables 1, 2, 3 ... from the root down to a 4 KiB page at 0x12345000, for gva. */
static void map_long(u64 gva, unsigned levels)
{
	mode.cr4 = CR4_PAE | (levels == 5 ? CR4_LA57 : 0);
	mode.efer = LMA | NXE;
	for (unsigned t = 1; t <= levels; t++) {
		unsigned index = gva >> (12 + 9 * (levels - t)) & 511;
		u64 next = t == levels ? 0x12345000 : table(t + 1);

		*entry8(t, index) = next | P | W | U;
	}
}

/* The entry of a level (1 = page table) that map_long() made. */
static u64 *long_entry(u64 gva, unsigned levels, unsigned level)
{
	return entry8(1 + levels - level, gva >> (12 + 9 * (level - 1)) & 511);
}

static void test_paging_off(void **state __unused)
{
	mode.cr0 = 1;
	expect_gpa(0xfffff123, GVA_WRITE, 0xfffff123, PAGE_SIZE);
	expect_gpa(0x100000123, GVA_FETCH, 0x123, PAGE_SIZE);
	assert_int_equal(reads, 0);
	assert_true(out.writable && out.user && !out.nx);
}

static void test_4_level(void **state __unused)
{
	u64 gva = 0xffff8a5a12345678ull;

	map_long(gva, 4);
	expect_gpa(gva, 0, 0x12345678, PAGE_SIZE);
	assert_int_equal(reads, 4);
	assert_int_equal(changes, 4);
	for (unsigned level = 1; level <= 4; level++)
		assert_int_equal(*long_entry(gva, 4, level) & (A | D), A);
	expect_gpa(gva, 0, 0x12345678, PAGE_SIZE);
	assert_int_equal(changes, 0);
	expect_gpa(gva, GVA_WRITE, 0x12345678, PAGE_SIZE);
	assert_int_equal(changes, 1);
	assert_int_equal(*long_entry(gva, 4, 1) & (A | D), A | D);
	assert_int_equal(*long_entry(gva, 4, 2) & (A | D), A);
	/* PCID and other low bits of CR3 are no address. */
	mode.cr3 |= 0x8000000000000fffull;
	expect_gpa(gva, 0, 0x12345678, PAGE_SIZE);
}

static void test_5_level(void **state __unused)
{
	u64 gva = 0x00a5001234567890ull;

	map_long(gva, 5);
	expect_gpa(gva, GVA_WRITE, 0x12345890, PAGE_SIZE);
	assert_int_equal(reads, 5);
	assert_int_equal(changes, 5);
	mode.cr4 &= ~CR4_LA57;
	assert_int_equal(walk(gva, 0), -EFAULT);
	assert_int_equal(fault.vector, GUEST_GP);
}

static void test_canonical(void **state __unused)
{
	map_long(0x00007ffffffff000ull, 4);
	expect_gpa(0x00007fffffffffffull, 0, 0x12345fff, PAGE_SIZE);
	assert_int_equal(walk(0x0000800000000000ull, 0), -EFAULT);
	assert_int_equal(fault.vector, GUEST_GP);
	assert_int_equal(fault.error_code, 0);
	assert_true(fault.has_error);
	assert_int_equal(reads, 0);
	assert_int_equal(walk(0xffff7fffffffffffull, GVA_STACK), -EFAULT);
	assert_int_equal(fault.vector, GUEST_SS);
	assert_true(gva_is_canonical(0xff00000000000000ull, 57));
	assert_false(gva_is_canonical(0xfe00000000000000ull, 57));
	assert_true(gva_is_canonical(0xffff800000000000ull, 48));
	assert_false(gva_is_canonical(0xffff000000000000ull, 48));
}

static void test_large_pages(void **state __unused)
{
	u64 gva = 0x0000123456789abcull;

	map_long(gva, 4);
	*long_entry(gva, 4, 2) = 0x7fffe00000 | PAT | PS | G | P | W | U;
	expect_gpa(gva, GVA_WRITE, 0x7fffe00000 | (gva & 0x1fffff), 2 * MIB);
	assert_int_equal(*long_entry(gva, 4, 2) & (A | D), A | D);
	*long_entry(gva, 4, 3) = 0x7fc0000000 | PAT | PS | P | U;
	expect_gpa(gva, 0, 0x7fc0000000 | (gva & 0x3fffffff), GIB);
	assert_false(out.writable);
	assert_int_equal(reads, 2);
	mode.no_1g = true;
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
}

static void test_reserved_long(void **state __unused)
{
	u64 gva = 0x0000123456789abcull;
	u64 *e;

	map_long(gva, 4);
	for (unsigned level = 1; level <= 4; level++) {
		u64 was = *(e = long_entry(gva, 4, level));

		*e = was | BIT(40); /* the first above MAXPHYADDR */
		expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
		*e = was | BIT(51);
		expect_pf(gva, GVA_WRITE, PF_PRESENT | PF_RESERVED | PF_WRITE);
		*e = was | BIT(52) | BIT(62); /* ignored */
		assert_int_equal(walk(gva, 0), 0);
		*e = was | NX;
		mode.efer = LMA;
		expect_pf(gva, GVA_FETCH, PF_PRESENT | PF_RESERVED);
		mode.efer = LMA | NXE;
		*e = was;
	}
	*long_entry(gva, 4, 4) |= PS;
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	*long_entry(gva, 4, 4) &= ~PS;
	*long_entry(gva, 4, 2) = PS | BIT(13) | P;
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	*long_entry(gva, 4, 2) = PS | BIT(20) | P;
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	*long_entry(gva, 4, 3) = PS | BIT(29) | P;
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
}

static void test_widest_address(void **state __unused)
{
	map_long(0, 4);
	mode.maxphyaddr = 52;
	*long_entry(0, 4, 1) = 0x000ffffffffff000ull | P;
	expect_gpa(0x10, 0, 0x000ffffffffff010ull, PAGE_SIZE);
	mode.maxphyaddr = 51;
	expect_pf(0x10, 0, PF_PRESENT | PF_RESERVED);
}

static void test_not_present(void **state __unused)
{
	u64 gva = 0x0000123456789abcull;

	for (unsigned level = 1; level <= 4; level++) {
		map_long(gva, 4);
		*long_entry(gva, 4, level) = ~P & ~NX; /* everything else counts for nothing */
		mode.cpl = 0;
		expect_pf(gva, 0, 0);
		expect_pf(gva, GVA_WRITE, PF_WRITE);
		expect_pf(gva, GVA_FETCH, PF_FETCH);
		mode.cpl = 3;
		expect_pf(gva, 0, PF_USER);
		expect_pf(gva, GVA_IMPLICIT, 0);
		expect_pf(gva, GVA_WRITE, PF_USER | PF_WRITE);
		assert_int_equal(reads, 5 - level);
	}
}

/* The I/D bit of the error code: with NXE or SMEP only. */
static void test_fetch_bit(void **state __unused)
{
	mode.cr4 = CR4_PAE;
	mode.efer = LMA;
	expect_pf(0, GVA_FETCH, 0);
	mode.efer = LMA | NXE;
	expect_pf(0, GVA_FETCH, PF_FETCH);
	mode.efer = LMA;
	mode.cr4 |= CR4_SMEP;
	expect_pf(0, GVA_FETCH, PF_FETCH);
	mode.efer = NXE; /* 32-bit paging has no NX, whatever NXE says */
	mode.cr4 = 0;
	expect_pf(0, GVA_FETCH, 0);
	mode.cr4 = CR4_SMEP;
	expect_pf(0, GVA_FETCH, PF_FETCH);
}

static void test_user_access(void **state __unused)
{
	u64 gva = 0x1000;

	for (unsigned level = 1; level <= 4; level++) {
		map_long(gva, 4);
		mode.cpl = 3;
		expect_gpa(gva, GVA_WRITE, 0x12345000, PAGE_SIZE);
		map_long(gva, 4);
		*long_entry(gva, 4, level) &= ~W;
		expect_pf(gva, GVA_WRITE, PF_PRESENT | PF_USER | PF_WRITE);
		expect_gpa(gva, 0, 0x12345000, PAGE_SIZE);
		map_long(gva, 4);
		*long_entry(gva, 4, level) &= ~U;
		expect_pf(gva, 0, PF_PRESENT | PF_USER);
		expect_gpa(gva, GVA_IMPLICIT, 0x12345000, PAGE_SIZE);
		map_long(gva, 4);
		*long_entry(gva, 4, level) |= NX;
		expect_pf(gva, GVA_FETCH, PF_PRESENT | PF_USER | PF_FETCH);
		expect_gpa(gva, 0, 0x12345000, PAGE_SIZE);
		assert_true(out.nx);
		mode.cpl = 0;
		expect_pf(gva, GVA_FETCH, PF_PRESENT | PF_FETCH);
	}
}

static void test_write_protect(void **state __unused)
{
	map_long(0, 4);
	*long_entry(0, 4, 1) &= ~(W | U);
	expect_pf(0, GVA_WRITE, PF_PRESENT | PF_WRITE);
	mode.cr0 &= ~CR0_WP;
	expect_gpa(0, GVA_WRITE, 0x12345000, PAGE_SIZE);
	assert_int_equal(*long_entry(0, 4, 1) & D, D);
	mode.cpl = 3; /* WP is nothing to user mode */
	*long_entry(0, 4, 1) |= U;
	expect_pf(0, GVA_WRITE, PF_PRESENT | PF_USER | PF_WRITE);
}

static void test_smep_smap(void **state __unused)
{
	map_long(0, 4);
	expect_gpa(0, GVA_FETCH, 0x12345000, PAGE_SIZE);
	mode.cr4 |= CR4_SMEP;
	expect_pf(0, GVA_FETCH, PF_PRESENT | PF_FETCH);
	expect_gpa(0, 0, 0x12345000, PAGE_SIZE);
	mode.cr4 |= CR4_SMAP;
	map_long(0, 4);
	mode.cr4 |= CR4_SMAP;
	expect_pf(0, 0, PF_PRESENT);
	expect_pf(0, GVA_WRITE, PF_PRESENT | PF_WRITE);
	mode.ac = true;
	expect_gpa(0, GVA_WRITE, 0x12345000, PAGE_SIZE);
	expect_pf(0, GVA_IMPLICIT, PF_PRESENT); /* AC does not help these */
	mode.cpl = 3;
	expect_gpa(0, 0, 0x12345000, PAGE_SIZE);
	expect_pf(0, GVA_IMPLICIT, PF_PRESENT);
	/* A supervisor page is none of their business. */
	mode.cpl = 0;
	mode.ac = false;
	mode.cr4 |= CR4_SMEP;
	*long_entry(0, 4, 3) &= ~U;
	expect_gpa(0, 0, 0x12345000, PAGE_SIZE);
	expect_gpa(0, GVA_FETCH, 0x12345000, PAGE_SIZE);
}

static void test_32_bit(void **state __unused)
{
	u64 gva = 0xc0401abc; /* directory entry 0x301, table entry 1 */

	*entry4(1, 0x301) = (u32)(table(2) | P | W | U | PS); /* PS is ignored without PSE */
	*entry4(2, 1) = 0xfffff000 | P | W | U;
	expect_gpa(gva, GVA_WRITE, 0xfffffabc, PAGE_SIZE);
	assert_int_equal(reads, 2);
	assert_int_equal(*entry4(1, 0x301) & (A | D), A);
	assert_int_equal(*entry4(2, 1) & (A | D), A | D);
	assert_int_equal(*entry4(2, 2), 0); /* four bytes were written */
	/* Above 32 bits the address does not count. */
	expect_gpa(gva | BIT(32), 0, 0xfffffabc, PAGE_SIZE);
	mode.cpl = 3;
	*entry4(1, 0x301) &= ~(u32)U;
	expect_pf(gva, GVA_FETCH, PF_PRESENT | PF_USER);
}

static void test_4_mib_pages(void **state __unused)
{
	u64 gva = 0xc0523abc;
	u32 *e = entry4(1, 0x301);

	mode.cr4 = CR4_PSE;
	*e = 0x80000000 | PAT | PS | P | W;
	expect_gpa(gva, GVA_WRITE, 0x80123abc, 4 * MIB);
	assert_int_equal(*e & (A | D), A | D);
	*e = 0x80000000 | 0xff << 13 | PS | P | W; /* address bits 39:32 */
	expect_gpa(gva, 0, 0xff80123abcull, 4 * MIB);
	*e |= BIT(21);
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	mode.maxphyaddr = 36;
	*e = 0x80000000 | 0xf << 13 | PS | P;
	expect_gpa(gva, 0, 0xf80123abcull, 4 * MIB);
	*e |= BIT(17);
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	mode.maxphyaddr = 52; /* PSE-36 ends at 40 bits */
	expect_gpa(gva, 0, 0x1f80123abcull, 4 * MIB);
	*e |= BIT(21);
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
}

static void map_pae(u64 gva)
{
	mode.cr4 = CR4_PAE;
	mode.efer = NXE;
	mode.cr3 = table(1) + 0x20;
	memcpy(mem + mode.cr3 + 8 * (gva >> 30), &(u64){ table(2) | P }, 8);
	*entry8(2, gva >> 21 & 511) = table(3) | P | W | U;
	*entry8(3, gva >> 12 & 511) = 0x1234567000 | P | W | U;
}

static void test_pae(void **state __unused)
{
	u64 gva = 0xc0a03def;
	u64 before;

	map_pae(gva);
	mode.cpl = 3; /* a PDPTE has no permissions */
	expect_gpa(gva, GVA_WRITE, 0x1234567def, PAGE_SIZE);
	assert_int_equal(reads, 3);
	assert_int_equal(changes, 2);
	memcpy(&before, mem + mode.cr3 + 8 * 3, 8);
	assert_int_equal(before, table(2) | P); /* nor an accessed bit */
	*entry8(3, 3) |= NX;
	expect_pf(gva, GVA_FETCH, PF_PRESENT | PF_USER | PF_FETCH);
	*entry8(3, 3) = BIT(52) | P | W | U; /* reserved here, unlike in long mode */
	expect_pf(gva, 0, PF_PRESENT | PF_RESERVED | PF_USER);
	*entry8(2, 5) = 0x1234600000 | PAT | PS | P | U;
	expect_gpa(gva, 0, 0x1234603def, 2 * MIB);
	expect_pf(gva, GVA_WRITE, PF_PRESENT | PF_WRITE | PF_USER);
}

static void test_pdpte_registers(void **state __unused)
{
	u64 pdptes[4] = { 0, 0, 0, table(2) | P };
	u64 gva = 0xc0a03def;

	map_pae(gva);
	memset(mem + table(1), 0, PAGE_SIZE);
	expect_pf(gva, 0, 0);
	mode.pdptes = pdptes;
	expect_gpa(gva, GVA_WRITE, 0x1234567def, PAGE_SIZE);
	assert_int_equal(reads, 2);
	expect_pf(0x80000000, 0, 0);
	assert_int_equal(reads, 0);
}

static void test_reserved_pdpte(void **state __unused)
{
	static const u64 bits[] = { BIT(1), BIT(2), BIT(5), BIT(8), BIT(40), BIT(62), BIT(63) };
	u64 gva = 0x40000000;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++) {
		map_pae(gva);
		memcpy(mem + mode.cr3 + 8, &(u64){ table(2) | P | bits[i] }, 8);
		expect_pf(gva, 0, PF_PRESENT | PF_RESERVED);
	}
	memcpy(mem + mode.cr3 + 8, &(u64){ table(2) | P | BIT(3) | BIT(4) | BIT(9) }, 8);
	expect_gpa(gva, 0, 0x1234567000, PAGE_SIZE);
}

/* Page tables where there is no memory read as all ones, which is an entry with reserved bits. */
static void test_unreadable_tables(void **state __unused)
{
	map_long(0, 4);
	mode.cr3 = MEM_SIZE;
	expect_pf(0, 0, PF_PRESENT | PF_RESERVED);
	mode.cr4 = 0;
	mode.efer = 0;
	cas_error = -EROFS;
	expect_gpa(0x123, 0, 0xfffff123, PAGE_SIZE);
	assert_int_equal(reads, 2);
}

static void test_probe_and_read_only_tables(void **state __unused)
{
	map_long(0, 4);
	expect_gpa(0, GVA_WRITE | GVA_PROBE, 0x12345000, PAGE_SIZE);
	assert_int_equal(changes, 0);
	cas_error = -EROFS;
	expect_gpa(0, GVA_WRITE, 0x12345000, PAGE_SIZE);
	assert_int_equal(*long_entry(0, 4, 1) & (A | D), 0);
	cas_error = 0;
	assert_int_equal(gva_translate(&mode, &(struct gva_ops){ read_pte, NULL }, &mode, 0, 0,
				       &out, &fault),
			 0);
}

static void test_tables_that_change(void **state __unused)
{
	map_long(0, 4);
	changes_left = GVA_WALK_TRIES - 1;
	expect_gpa(0, 0, 0x12345000, PAGE_SIZE);
	map_long(0, 4);
	changes_left = GVA_WALK_TRIES;
	assert_int_equal(walk(0, 0), -EAGAIN);
	assert_int_equal(reads, 4 * GVA_WALK_TRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_paging_off, set_up),
		cmocka_unit_test_setup(test_4_level, set_up),
		cmocka_unit_test_setup(test_5_level, set_up),
		cmocka_unit_test_setup(test_canonical, set_up),
		cmocka_unit_test_setup(test_large_pages, set_up),
		cmocka_unit_test_setup(test_reserved_long, set_up),
		cmocka_unit_test_setup(test_widest_address, set_up),
		cmocka_unit_test_setup(test_not_present, set_up),
		cmocka_unit_test_setup(test_fetch_bit, set_up),
		cmocka_unit_test_setup(test_user_access, set_up),
		cmocka_unit_test_setup(test_write_protect, set_up),
		cmocka_unit_test_setup(test_smep_smap, set_up),
		cmocka_unit_test_setup(test_32_bit, set_up),
		cmocka_unit_test_setup(test_4_mib_pages, set_up),
		cmocka_unit_test_setup(test_pae, set_up),
		cmocka_unit_test_setup(test_pdpte_registers, set_up),
		cmocka_unit_test_setup(test_reserved_pdpte, set_up),
		cmocka_unit_test_setup(test_unreadable_tables, set_up),
		cmocka_unit_test_setup(test_probe_and_read_only_tables, set_up),
		cmocka_unit_test_setup(test_tables_that_change, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
