/* Hyper-V's synthetic MSRs, the pages they show, and reference time. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hypercall_world.h"
#include "hv/backend.h"
#include "shim.h"

#define PAGE   0x3000ull
#define OTHER  0x5000ull
#define FILLER 0x5a

static const struct backend_ops fake = { .hypercall_insn = { 0x0f, 0x01, 0xc1 } };
const struct backend_ops *backend = &fake;
static struct vcpu *v;
static struct vm_config config = { .name = "test", .cpus = 3, .hyperv = true };
static unsigned resets, eois;
static u64 icr;
static u8 tpr;

void vm_stop(struct vm *vm, u32 status, enum vm_end_kind kind, const char *reason)
{
	(void)vm;
	(void)status;
	(void)reason;
	resets += kind == VM_END_RESET;
}

void lapic_eoi(struct lapic *l)
{
	(void)l;
	eois++;
}

void lapic_set_tpr(struct lapic *l, u8 value)
{
	(void)l;
	tpr = value;
}

int lapic_msr_read(struct lapic *l, u32 msr, u64 *value)
{
	(void)l;
	*value = icr;
	return msr == 0x830 ? 0 : -EIO;
}

int lapic_msr_write(struct lapic *l, u32 msr, u64 value)
{
	(void)l;
	icr = value;
	return msr == 0x830 ? 0 : -EIO;
}

u64 lapic_mmio_read(struct lapic *l, u32 offset, unsigned size)
{
	(void)l;
	(void)size;
	return offset == 0x300 ? (u32)icr : icr >> 32;
}

void lapic_mmio_write(struct lapic *l, u32 offset, unsigned size, u64 value)
{
	(void)l;
	(void)size;
	icr = offset == 0x300 ? (icr & ~0xffffffffull) | value : (u32)icr | value << 32;
}

static int set_up(void **unused)
{
	(void)unused;
	v = world_create(3, NULL);
	world_vm->config = &config;
	config.vp_index_count = 0;
	world_vm->hyperv.hypercall = 0;
	assert_int_equal(hyperv_init(world_vm), 0);
	memset(world_ram, FILLER, WORLD_RAM);
	resets = eois = 0;
	shim_set_time(0);
	shim_log_reset();
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	hyperv_fini(world_vm);
	hyperv_fini(world_vm);
	world_destroy();
	assert_int_equal(shim_heap_live(), 0);
	return 0;
}

static u64 rd(u32 msr)
{
	u64 value = 0xbad;

	assert_int_equal(hyperv_msr_read(v, msr, &value), 0);
	return value;
}

static void wr(u32 msr, u64 value)
{
	assert_int_equal(hyperv_msr_write(v, msr, value), 0);
}

static void faults(u32 msr, u64 value)
{
	assert_int_equal(hyperv_msr_write(v, msr, value), -EIO);
}

static bool is_filler(u64 page)
{
	for (u64 i = 0; i < PAGE_SIZE; i++) {
		if (world_ram[page + i] != FILLER)
			return false;
	}
	return true;
}

static bool shows_code(u64 page)
{
	static const u8 code[] = { 0x0f, 0x01, 0xc1, 0xc3, 0, 0 };

	return memcmp(world_ram + page, code, sizeof(code)) == 0 &&
	       world_ram[page + PAGE_SIZE - 1] == 0;
}

static void test_off(void **unused)
{
	u64 value;

	(void)unused;
	world_vm->hyperv.on = false;
	assert_int_equal(hyperv_msr_read(v, 0x40000000, &value), -EIO);
	faults(0x40000000, 1);
}

static void test_hypercall_page(void **unused)
{
	(void)unused;
	/* Nobody has said who they are: the rest is taken, the bit is not. */
	wr(0x40000001, PAGE | 1);
	assert_int_equal(rd(0x40000001), PAGE);
	assert_true(is_filler(PAGE));
	wr(0x40000000, 7);
	wr(0x40000001, PAGE | 1);
	assert_int_equal(rd(0x40000001), PAGE | 1);
	assert_true(shows_code(PAGE));
	/* What the guest writes into it is lost; what it had there comes back. */
	world_ram[PAGE] = 0xf4;
	wr(0x40000001, OTHER | 1);
	assert_true(is_filler(PAGE));
	assert_true(shows_code(OTHER));
	wr(0x40000001, OTHER | 1);
	assert_true(shows_code(OTHER));
	wr(0x40000001, OTHER);
	assert_true(is_filler(OTHER));
	wr(0x40000001, OTHER | 1);
	wr(0x40000000, 0);
	assert_true(is_filler(OTHER));
	assert_int_equal(rd(0x40000001), OTHER);
}

static void test_hypercall_page_refused(void **unused)
{
	(void)unused;
	wr(0x40000000, 7);
	wr(0x40000001, PAGE | 1);
	faults(0x40000001, WORLD_RAM | 1);
	faults(0x40000001, UINT64_MAX);
	assert_int_equal(rd(0x40000001), PAGE | 1);
	assert_true(shows_code(PAGE));
	/* Locked: nothing moves it any more. */
	wr(0x40000001, PAGE | 3);
	faults(0x40000001, OTHER | 1);
	faults(0x40000001, 0);
	assert_int_equal(rd(0x40000001), PAGE | 3);
}

static void test_vp_index_and_init(void **unused)
{
	static const u16 index[] = { 5, 1, 0 };

	(void)unused;
	v = vcpu_table_get(&world_vm->vcpus, 2);
	assert_int_equal(rd(0x40000002), 2);
	faults(0x40000002, 0);
	hyperv_fini(world_vm);
	memcpy(config.vp_index, index, sizeof(index));
	config.vp_index_count = 3;
	assert_int_equal(hyperv_init(world_vm), 0);
	assert_int_equal(rd(0x40000002), 0);
	assert_true(shim_log_contains("vm test: 2 of 3 VP indexes"));
	hyperv_fini(world_vm);
	for (unsigned n = 1; n <= 3; n++) {
		shim_heap_fail_after(n);
		assert_int_equal(hyperv_init(world_vm), -ENOMEM);
		shim_heap_fail_after(0);
		hyperv_fini(world_vm);
	}
}

struct tsc_page {
	u32 sequence, reserved;
	u64 scale;
	s64 offset;
};

static struct tsc_page tsc_page(void)
{
	struct tsc_page p;

	memcpy(&p, world_ram + PAGE, sizeof(p));
	return p;
}

/* The shim's clock has 10^9 ticks a second: one unit is 100 of them. */
static void test_time(void **unused)
{
	struct tsc_page p;

	(void)unused;
	world_vm->tsc_offset = (u64)-5000;
	shim_set_time(5000);
	assert_int_equal(rd(0x40000020), 0);
	shim_set_time(5000 + 1000000000000ull);
	/* The scale is cut to 64 bits: less than a unit is lost. */
	assert_in_range(rd(0x40000020), 9999999999, 10000000000);
	wr(0x40000021, PAGE | 1);
	p = tsc_page();
	assert_int_equal(p.sequence, 1);
	assert_int_equal(p.offset, 0);
	assert_int_equal((u64)((unsigned __int128)1000000000000ull * p.scale >> 64),
			 rd(0x40000020));
	assert_int_equal(rd(0x40000021), PAGE | 1);
	faults(0x40000021, WORLD_RAM | 1);
	faults(0x40000020, 0);
	wr(0x40000021, 0);
	assert_true(is_filler(PAGE));
	assert_int_equal(rd(0x40000022), SHIM_HZ);
	assert_int_equal(rd(0x40000023), 25000000);
	faults(0x40000022, 1);
}

/* A TSC of half the host's rate: the reference time is the same, and the page says so of that TSC.
 */
static void test_time_scaled(void **unused)
{
	(void)unused;
	world_vm->tsc = (struct guest_tsc){ SHIM_HZ / 2, BIT(31), 32 };
	shim_set_time(1000000000000ull);
	assert_in_range(rd(0x40000020), 9999999999, 10000000000);
	wr(0x40000021, PAGE | 1);
	assert_int_equal((u64)((unsigned __int128)500000000000ull * tsc_page().scale >> 64),
			 rd(0x40000020));
	assert_int_equal(rd(0x40000022), SHIM_HZ / 2);
}

static void test_tsc_moved(void **unused)
{
	(void)unused;
	wr(0x40000021, PAGE | 1);
	v->tsc_offset = world_vm->tsc_offset;
	hyperv_tsc_moved(v);
	assert_int_equal(tsc_page().sequence, 1);
	v->tsc_offset++;
	hyperv_tsc_moved(v);
	assert_int_equal(tsc_page().sequence, 0);
	/* For good: another vCPU may have it still. */
	v->tsc_offset--;
	hyperv_tsc_moved(v);
	wr(0x40000021, PAGE | 1);
	assert_int_equal(tsc_page().sequence, 0);
	wr(0x40000021, 0);
	assert_true(is_filler(PAGE));
}

static void test_apic(void **unused)
{
	u32 regs[1024] = { 0 };
	u64 value;

	(void)unused;
	v->lapic.regs = regs;
	regs[LAPIC_TPR * 4] = 0x35;
	faults(0x40000070, 0);
	faults(0x40000071, 0);
	faults(0x40000072, 0);
	assert_int_equal(hyperv_msr_read(v, 0x40000071, &value), -EIO);
	for (u8 mode = LAPIC_MODE_XAPIC; mode <= LAPIC_MODE_X2APIC; mode++) {
		v->lapic.mode = mode;
		wr(0x40000071, 0x1200000000000045);
		assert_int_equal(icr, 0x1200000000000045);
		assert_int_equal(rd(0x40000071), 0x1200000000000045);
	}
	wr(0x40000070, 0);
	assert_int_equal(eois, 1);
	assert_int_equal(hyperv_msr_read(v, 0x40000070, &value), -EIO);
	wr(0x40000072, 0xff);
	assert_int_equal(tpr, 0xff);
	assert_int_equal(rd(0x40000072), 0x35);
	faults(0x40000072, 0x100);
}

static void test_assist_page(void **unused)
{
	(void)unused;
	wr(0x40000073, PAGE | 1);
	assert_int_equal(rd(0x40000073), PAGE | 1);
	assert_int_equal(world_ram[PAGE], 0);
	assert_int_equal(world_ram[PAGE + 4], FILLER);
	faults(0x40000073, WORLD_RAM | 1);
	faults(0x40000073, UINT64_MAX);
	wr(0x40000073, 0);
	v = vcpu_table_get(&world_vm->vcpus, 1);
	assert_int_equal(rd(0x40000073), 0);
}

static void test_crash(void **unused)
{
	(void)unused;
	for (u32 i = 0; i < 5; i++)
		wr(0x40000100 + i, 0x10 + i);
	assert_int_equal(rd(0x40000104), 0x14);
	assert_int_equal(rd(0x40000105), BIT(63));
	faults(0x40000105, BIT(62));
	faults(0x40000105, 1);
	assert_int_equal(shim_log_count(), 0);
	for (unsigned i = 0; i < 10; i++)
		wr(0x40000105, BIT(63));
	assert_true(
		shim_log_contains("vm test: the guest reports a crash: 0x10 0x11 0x12 0x13 0x14"));
	assert_int_equal(shim_log_count(), HYPERV_CRASHES_LOGGED);
	faults(0x40000106, 0);
}

static void test_reset_and_others(void **unused)
{
	u64 value;

	(void)unused;
	wr(0x40000003, 0);
	assert_int_equal(resets, 0);
	faults(0x40000003, 2);
	wr(0x40000003, 1);
	assert_int_equal(resets, 1);
	assert_int_equal(rd(0x40000003), 0);
	wr(0x40000118, 1);
	assert_int_equal(rd(0x40000118), 1);
	faults(0x40000118, 2);
	for (u32 msr = 0x40000004; msr < 0x40000020; msr++)
		assert_int_equal(hyperv_msr_read(v, msr, &value), -EIO);
	for (u32 msr = 0x40000080; msr < 0x40000100; msr++)
		faults(msr, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_off),
		T(test_hypercall_page),
		T(test_hypercall_page_refused),
		T(test_vp_index_and_init),
		T(test_time),
		T(test_time_scaled),
		T(test_tsc_moved),
		T(test_apic),
		T(test_assist_page),
		T(test_crash),
		T(test_reset_and_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
