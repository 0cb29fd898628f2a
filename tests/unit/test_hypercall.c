/* Hyper-V hypercalls on fake memory: whom they reach, and what bad input is answered with. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hypercall_world.h"
#include "shim.h"

#define COUNT(n) ((u64)(n) << HV_CALL_COUNT_SHIFT)
#define START(n) ((u64)(n) << HV_CALL_START_SHIFT)
#define VAR(n)	 ((u64)(n) << HV_CALL_VAR_SHIFT)
#define AT	 0x1000ull

static struct vcpu *self;

static void put(u64 at, const u64 *words, unsigned n)
{
	memcpy(world_ram + at, words, n * sizeof(u64));
}
#define PUT(...) put(AT, (const u64[]){ __VA_ARGS__ }, sizeof((const u64[]){ __VA_ARGS__ }) / 8)

static void forget(u32 count)
{
	memset(world_flushed, 0, count * sizeof(*world_flushed));
	memset(world_sent, 0, count * sizeof(*world_sent));
	world_visits = world_all = 0;
}

static u64 result_at(u64 input, u64 at)
{
	assert_int_equal(world_call(self, input, at, 0), 0);
	return self->regs.r[REG_RAX];
}

static u64 result(u64 input)
{
	return result_at(input, AT);
}

static void build(u32 count, const u16 *index)
{
	self = world_create(count, index);
}

static int tear_down(void **unused)
{
	(void)unused;
	world_destroy();
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static void test_identity(void **unused)
{
	(void)unused;
	build(8, NULL);
	PUT(0x1234000, 0, BIT(0) | BIT(5));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	assert_int_equal(world_visits, 2);
	assert_int_equal(world_flushed[0], 1);
	assert_int_equal(world_flushed[5], 1);
	assert_int_equal(world_finished, 1);
	forget(8);
	assert_int_equal(world_call(self, HV_CALL_SEND_IPI | HV_CALL_FAST, 0x51, BIT(7)), 0);
	assert_int_equal(self->regs.r[REG_RAX], HV_SUCCESS);
	assert_int_equal(world_visits, 1);
	assert_int_equal(world_sent[7], 1);
	assert_int_equal(world_vector, 0x51);
	PUT(0xff, BIT(1));
	assert_int_equal(result(HV_CALL_SEND_IPI), HV_SUCCESS);
	assert_int_equal(world_sent[1], 1);
	assert_int_equal(world_vector, 0xff);
	/* Registers that are not the result's stay. */
	assert_int_equal(self->regs.r[REG_RDX], AT);
	assert_int_equal(self->regs.r[REG_RCX], HV_CALL_SEND_IPI);
}

/* Indexes that nobody has are passed over. */
static void test_permuted_and_sparse(void **unused)
{
	static const u16 index[] = { 2, 0, 63, 64, 4095 };

	(void)unused;
	build(5, index);
	PUT(0, 0, BIT(0) | BIT(1) | BIT(63));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	assert_int_equal(world_visits, 2);
	assert_int_equal(world_flushed[1], 1);
	assert_int_equal(world_flushed[2], 1);
	forget(5);
	/* Banks 1 and 63 and an empty one: 64, 4095, and some that are not there. */
	PUT(0x40, HV_SET_SPARSE, BIT(1) | BIT(5) | BIT(63), BIT(0) | BIT(9), 0, BIT(63) | BIT(62));
	assert_int_equal(result(HV_CALL_SEND_IPI_EX | VAR(3)), HV_SUCCESS);
	assert_int_equal(world_visits, 2);
	assert_int_equal(world_sent[3], 1);
	assert_int_equal(world_sent[4], 1);
}

/* The last call flushed all vCPUs as one, and none by itself; or not. */
static void expect_all(bool all)
{
	assert_int_equal(world_all, all);
	assert_int_equal(!world_visits, all);
	forget(0);
}

static void test_all(void **unused)
{
	(void)unused;
	build(200, NULL);
	PUT(0, HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_SPACES | HV_FLUSH_NON_GLOBAL, BIT(3));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	expect_all(true);
	PUT(0, 0, HV_SET_ALL, BIT(0));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_SUCCESS);
	expect_all(true);
	/* The flag counts more than the set. */
	PUT(0, HV_FLUSH_ALL_PROCESSORS, HV_SET_SPARSE, 0);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_SUCCESS);
	expect_all(true);
	assert_int_equal(world_finished, 3);
	PUT(0x20, HV_SET_ALL, 0);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_SUCCESS);
	assert_int_equal(world_visits, 200);
	assert_int_equal(world_sent[199], 1);
}

/* All are named one by one: the same as all. One is missing: each for itself. */
static void test_all_named(void **unused)
{
	static const u16 index[] = { 2, 0, 63, 64, 4095 };

	(void)unused;
	build(64, NULL);
	PUT(0, 0, UINT64_MAX);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	expect_all(true);
	for (unsigned i = 0; i < 64; i += 21) {
		PUT(0, 0, UINT64_MAX & ~BIT(i));
		assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
		assert_int_equal(world_visits, 63);
		expect_all(false);
	}
	world_destroy();
	build(65, NULL);
	/* A mask cannot name the 65th; a set of two banks can. */
	PUT(0, 0, UINT64_MAX);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	expect_all(false);
	PUT(0, 0, HV_SET_SPARSE, BIT(0) | BIT(1) | BIT(9), UINT64_MAX, BIT(0), 5);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(3)), HV_SUCCESS);
	expect_all(true);
	PUT(0, 0, HV_SET_SPARSE, BIT(0) | BIT(2), UINT64_MAX, UINT64_MAX);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(2)), HV_SUCCESS);
	expect_all(false);
	world_destroy();
	build(5, index);
	PUT(0, 0, HV_SET_SPARSE, BIT(0) | BIT(1) | BIT(63), BIT(0) | BIT(2) | BIT(63), BIT(0),
	    BIT(63));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(3)), HV_SUCCESS);
	expect_all(true);
	PUT(0, 0, HV_SET_SPARSE, BIT(0) | BIT(1) | BIT(63), BIT(0) | BIT(2) | BIT(63), BIT(0),
	    BIT(62));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(3)), HV_SUCCESS);
	assert_int_equal(world_flushed[4], 0);
	expect_all(false);
}

/* Banks behind the last vCPU, and bits behind it, name nobody. */
static void test_banks_out_of_range(void **unused)
{
	(void)unused;
	build(70, NULL);
	PUT(0, 0, HV_SET_SPARSE, BIT(1) | BIT(2) | BIT(63), UINT64_MAX, UINT64_MAX, UINT64_MAX);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(3)), HV_SUCCESS);
	assert_int_equal(world_visits, 6);
	for (unsigned i = 64; i < 70; i++)
		assert_int_equal(world_flushed[i], 1);
	forget(70);
	PUT(0x40, HV_SET_SPARSE, BIT(2) | BIT(63), UINT64_MAX, UINT64_MAX);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX | VAR(2)), HV_SUCCESS);
	assert_int_equal(world_visits, 0);
	/* More banks than there can be do not fit the mask. */
	assert_int_equal(result(HV_CALL_SEND_IPI_EX | VAR(65)), HV_INVALID_INPUT);
}

static void test_empty_sets(void **unused)
{
	(void)unused;
	build(4, NULL);
	PUT(0, 0, 0);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_SUCCESS);
	PUT(0, 0, HV_SET_SPARSE, 0);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_SUCCESS);
	PUT(0x20, HV_SET_SPARSE, 0);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_SUCCESS);
	assert_int_equal(world_visits, 0);
}

/* One of 4096 is found without looking at the others, wherever it is. */
static void test_one_of_many(void **unused)
{
	static u16 index[VM_MAX_CPUS];

	(void)unused;
	for (u32 i = 0; i < VM_MAX_CPUS; i++)
		index[i] = (u16)(VM_MAX_CPUS - 1 - i);
	build(VM_MAX_CPUS, index);
	PUT(0, 0, HV_SET_SPARSE, BIT(63), BIT(63));
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(1)), HV_SUCCESS);
	assert_int_equal(world_visits, 1);
	assert_int_equal(world_flushed[0], 1);
	assert_int_equal(world_reads, 2);
	/* And all 64 banks. */
	memset(world_ram + AT + 32, 0xff, 64 * 8);
	PUT(0, 0, HV_SET_SPARSE, UINT64_MAX);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(64)), HV_SUCCESS);
	assert_int_equal(world_all, 1);
	memset(world_ram + AT + 24, 0xff, 64 * 8);
	PUT(0x40, HV_SET_SPARSE, UINT64_MAX);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX | VAR(64)), HV_SUCCESS);
	assert_int_equal(world_visits, 1 + VM_MAX_CPUS);
}

static void test_lists(void **unused)
{
	(void)unused;
	build(2, NULL);
	PUT(0, 0, BIT(1), 0x1000, 0x2003);
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(2)), COUNT(2));
	assert_int_equal(world_flushed[1], 1);
	/* Gone on with: what was done counts as well. */
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(2) | START(1)), COUNT(2));
	assert_int_equal(world_flushed[1], 2);
	PUT(0, 0, HV_SET_SPARSE, BIT(0), BIT(1), 0x1000);
	assert_int_equal(result(HV_CALL_FLUSH_LIST_EX | COUNT(1) | VAR(1)), COUNT(1));
	assert_int_equal(world_flushed[1], 3);
	assert_int_equal(result(HV_CALL_FLUSH_LIST_EX | COUNT(4) | START(3) | VAR(1)), COUNT(4));
	assert_int_equal(world_flushed[1], 4);
	/* Header, bank and list fill the page, or the list crosses into the next. */
	assert_int_equal(result(HV_CALL_FLUSH_LIST_EX | COUNT(507) | VAR(1)), COUNT(507));
	assert_int_equal(result(HV_CALL_FLUSH_LIST_EX | COUNT(508) | VAR(1)), HV_INVALID_ALIGNMENT);
	assert_int_equal(world_flushed[1], 5);
	put(AT + PAGE_SIZE - 40, (const u64[]){ 0, 0, BIT(1), 0x1000, 0x2000 }, 5);
	assert_int_equal(result_at(HV_CALL_FLUSH_LIST | COUNT(2), AT + PAGE_SIZE - 40), COUNT(2));
	assert_int_equal(result_at(HV_CALL_FLUSH_LIST | COUNT(3), AT + PAGE_SIZE - 40),
			 HV_INVALID_ALIGNMENT);
	assert_int_equal(result_at(HV_CALL_FLUSH_LIST | COUNT(3) | START(2), AT + PAGE_SIZE - 40),
			 HV_INVALID_ALIGNMENT | COUNT(2));
	/* What does not begin is done as far as it was. */
	PUT(0, BIT(5), BIT(1), 0x1000, 0x2000);
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(2) | START(1)),
			 HV_INVALID_PARAMETER | COUNT(1));
	forget(2);
	/* The list fills the page to its last byte, or one too many. */
	PUT(0, 0, BIT(1));
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(509)), COUNT(509));
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(510)), HV_INVALID_ALIGNMENT);
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(4095) | START(4094)),
			 HV_INVALID_ALIGNMENT | COUNT(4094));
	assert_int_equal(result(HV_CALL_FLUSH_LIST), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(2) | START(2)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_LIST | COUNT(2) | START(3)), HV_INVALID_INPUT);
}

static void test_invalid_input(void **unused)
{
	(void)unused;
	build(2, NULL);
	PUT(0, 0, 3);
	assert_int_equal(result(0), HV_INVALID_CODE);
	assert_int_equal(result(0x8001), HV_INVALID_CODE);
	for (unsigned bit = 16; bit < 64; bit++) {
		bool reserved = HV_CALL_RESERVED & BIT(bit);

		if (reserved)
			assert_int_equal(result(HV_CALL_FLUSH_SPACE | BIT(bit)), HV_INVALID_INPUT);
	}
	assert_int_equal(result(HV_CALL_FLUSH_SPACE | COUNT(1)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE | START(1)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE | VAR(1)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_SEND_IPI | VAR(1023)), HV_INVALID_INPUT);
	assert_int_equal(world_visits, 0);
}

static void test_addresses(void **unused)
{
	(void)unused;
	build(2, NULL);
	for (u64 at = AT + 1; at < AT + 8; at++)
		assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, at), HV_INVALID_ALIGNMENT);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, AT + PAGE_SIZE - 24), HV_SUCCESS);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, AT + PAGE_SIZE - 16), HV_INVALID_ALIGNMENT);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, WORLD_RAM), HV_INVALID_ALIGNMENT);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, UINT64_MAX - 7), HV_INVALID_ALIGNMENT);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE, (u64)-4096), HV_INVALID_ALIGNMENT);
	/* The banks as well: they end with the page, or behind it. */
	put(AT + PAGE_SIZE - 40, (const u64[]){ 0, 0, HV_SET_SPARSE, 1, 1 }, 5);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE_EX | VAR(1), AT + PAGE_SIZE - 40),
			 HV_SUCCESS);
	assert_int_equal(world_visits, 1);
	put(AT + PAGE_SIZE - 32, (const u64[]){ 0, 0, HV_SET_SPARSE, 1, 1 }, 5);
	assert_int_equal(result_at(HV_CALL_FLUSH_SPACE_EX | VAR(1), AT + PAGE_SIZE - 32),
			 HV_INVALID_ALIGNMENT);
}

static void test_parameters(void **unused)
{
	(void)unused;
	build(2, NULL);
	PUT(0, BIT(3), 3);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE), HV_INVALID_PARAMETER);
	PUT(0, BIT(63), HV_SET_ALL, 0);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_INVALID_PARAMETER);
	PUT(0, 0, 2, 0);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_INVALID_PARAMETER);
	PUT(0, 0, HV_SET_SPARSE, 3, 1, 1);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(1)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX | VAR(3)), HV_INVALID_INPUT);
	assert_int_equal(result(HV_CALL_FLUSH_SPACE_EX), HV_INVALID_INPUT);
	for (unsigned i = 0; i < 3; i++) {
		static const u64 word[] = { 0xf, 0x100, 0x40 | 1ull << 32 };

		PUT(word[i], HV_SET_ALL, 0);
		assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_INVALID_PARAMETER);
		assert_int_equal(result(HV_CALL_SEND_IPI), HV_INVALID_PARAMETER);
	}
	PUT(0x10, 2, 0);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_INVALID_PARAMETER);
	PUT(0x10, HV_SET_SPARSE, 1);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_INVALID_INPUT);
	assert_int_equal(world_visits, 0);
	/* Padding is not looked at. */
	PUT(0x10 | 0xffffffull << 40, HV_SET_ALL, 0);
	assert_int_equal(result(HV_CALL_SEND_IPI_EX), HV_SUCCESS);
}

static void test_who_may(void **unused)
{
	(void)unused;
	build(2, NULL);
	self->regs.r[REG_RCX] = 0;
	self->regs.r[REG_RAX] = 77;
	assert_int_equal(hyperv_hypercall(self, WORLD_KERNEL | 3ull << FETCH_CPL_SHIFT), -EINVAL);
	assert_int_equal(hyperv_hypercall(self, WORLD_KERNEL | 1ull << FETCH_CPL_SHIFT), -EINVAL);
	assert_int_equal(hyperv_hypercall(self, 0), -EINVAL);
	world_vm->hyperv.hypercall = 0x1000;
	assert_int_equal(hyperv_hypercall(self, WORLD_KERNEL), -EINVAL);
	world_vm->hyperv.hypercall |= HYPERV_PAGE_ENABLED;
	assert_int_equal(self->regs.r[REG_RAX], 77);
	/* Fast, with more than two registers hold. */
	assert_int_equal(world_call(self, HV_CALL_FLUSH_SPACE | HV_CALL_FAST, 0, 0), -EINVAL);
	assert_int_equal(world_call(self, HV_CALL_SEND_IPI_EX | HV_CALL_FAST, 0x40, 1), -EINVAL);
	assert_int_equal(world_visits, 0);
}

static void test_32_bit(void **unused)
{
	u64 *r;

	(void)unused;
	build(2, NULL);
	r = self->regs.r;
	PUT(0, 0, BIT(1));
	r[REG_RAX] = 0xdead00000000ull | HV_CALL_FLUSH_LIST;
	r[REG_RDX] = 3; /* the count */
	r[REG_RBX] = 0;
	r[REG_RCX] = 0xbeef00000000ull | AT;
	assert_int_equal(hyperv_hypercall(self, WORLD_32BIT), 0);
	assert_int_equal(r[REG_RAX], HV_SUCCESS);
	assert_int_equal(r[REG_RDX], 3);
	assert_int_equal(world_flushed[1], 1);
	r[REG_RAX] = HV_CALL_SEND_IPI | HV_CALL_FAST;
	r[REG_RDX] = 0;
	r[REG_RBX] = 0;
	r[REG_RCX] = 0x33;
	r[REG_RDI] = 0;
	r[REG_RSI] = 2;
	assert_int_equal(hyperv_hypercall(self, WORLD_32BIT), 0);
	assert_int_equal(world_sent[1], 1);
	assert_int_equal(world_vector, 0x33);
}

#define T(f) cmocka_unit_test_teardown(f, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_identity),      T(test_permuted_and_sparse),
		T(test_all),	       T(test_empty_sets),
		T(test_all_named),     T(test_banks_out_of_range),
		T(test_one_of_many),   T(test_lists),
		T(test_invalid_input), T(test_addresses),
		T(test_parameters),    T(test_who_may),
		T(test_32_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
