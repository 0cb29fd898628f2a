/*
 * The short way for MOVs of device memory against the emulator, which it must not be told from, and
 * the cache of fetched pages that leads to it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "arch/x86/cpu.h"
#include "hv/backend.h"
#include "hv/emulate/emulate.h"
#include "hv/fetch_cache.h"
#include "hv/mmio.h"
#include "hv/vm.h"

#define DEVICE	   0xfec00000ull
#define DEVICE_END (DEVICE + PAGE_SIZE)
#define RIP	   0x8000ull
#define VALUE	   0x8182838485868788ull

struct cpu_features cpu_features = { .phys_bits = 36 };
static struct vm vm;
static struct vcpu vcpu;
static struct emu_cache cache;
static u64 new_rip;
static struct {
	u64 offset, value;
	unsigned size, reads, writes;
} seen;

struct slot *slots_find(struct slots *s, struct slot_cache *c, gfn_t gfn)
{
	(void)s;
	(void)c;
	(void)gfn;
	return NULL;
}

void sched_post(struct thread *t, u32 bits)
{
	(void)t;
	fail_msg("posted 0x%x", bits);
}

void vm_kill(struct vcpu *v, const char *fmt, ...)
{
	(void)v;
	fail_msg("%s", fmt);
}

static void get_mode(struct vcpu *v, struct guest_state *s)
{
	*s = (struct guest_state){ .rip = v->rip, .cr0 = CR0_PE | CR0_PG, .cr4 = CR4_PAE };
	s->efer = EFER_LME | EFER_LMA;
	s->seg[SEG_CS].ar = SEG_AR_TYPE_CODE | SEG_AR_L;
	s->rsp = 0x1230;
}

static void get_segment(struct vcpu *v, unsigned seg, struct guest_segment *out)
{
	(void)v;
	(void)seg;
	*out = (struct guest_segment){ .ar = SEG_AR_TYPE_DATA, .limit = ~0u };
}

static void set_rip(struct vcpu *v, u64 rip, u64 rflags, u64 rsp, bool executed)
{
	(void)v;
	(void)rflags;
	(void)rsp;
	(void)executed;
	new_rip = rip;
}

static void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	(void)v;
	(void)has_error;
	(void)error;
	fail_msg("exception %u", vector);
}

static const struct backend_ops fake = { .get_mode = get_mode,
					 .get_segment = get_segment,
					 .inject_exception = inject_exception,
					 .set_rip = set_rip };
const struct backend_ops *backend = &fake;

static u64 device_read(void *dev, u64 offset, unsigned size)
{
	(void)dev;
	seen.offset = offset;
	seen.size = size;
	seen.reads++;
	return VALUE;
}

static void device_write(void *dev, u64 offset, unsigned size, u64 value)
{
	(void)dev;
	seen.offset = offset;
	seen.size = size;
	seen.value = value;
	seen.writes++;
}

static void fill_registers(void)
{
	for (unsigned i = 0; i < REG_COUNT; i++)
		vcpu.regs.r[i] = 0x1111111111111111ull * i;
	vcpu.regs.r[REG_RBX] = DEVICE;
	vcpu.regs.r[REG_R13] = DEVICE + 0x20;
	vcpu.regs.r[REG_RSI] = 4;
	vcpu.regs.r[REG_RSP] = 0x1230;
}

static int set_up(void **unused)
{
	static const struct io_ops ops = { device_read, device_write };

	(void)unused;
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(&cache, 0, sizeof(cache));
	memset(&seen, 0, sizeof(seen));
	vcpu.vm = &vm;
	vcpu.emu_cache = &cache;
	vcpu.rip = RIP;
	fill_registers();
	return io_bus_add(&vm.mmio, DEVICE, PAGE_SIZE, &ops, NULL, "device");
}

/* What the emulator makes of it; the instruction is in the cache then. */
static unsigned emulate(const u8 code[16], u64 gpa, bool write)
{
	new_rip = 0;
	mmio_emulate(&vcpu, &(struct mmio_hint){ .valid = true,
						 .write = write,
						 .gpa = GPA(gpa),
						 .insn = code,
						 .insn_count = 15 });
	return (unsigned)(new_rip - RIP);
}

static void padded(u8 code[16], const char *bytes, size_t n)
{
	memset(code, 0xf4, 16);
	memcpy(code, bytes, n);
}

static void expect_same(const char *bytes, size_t n, u64 offset, bool write)
{
	struct guest_regs regs;
	u64 read_offset, value;
	u8 code[16];
	unsigned size;

	padded(code, bytes, n);
	fill_registers();
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(emulate(code, DEVICE + offset, write), n);
	assert_int_equal(seen.reads + seen.writes, 1);
	regs = vcpu.regs;
	read_offset = seen.offset;
	value = seen.value;
	size = seen.size;
	fill_registers();
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(mmio_move(&vcpu, code, GPA(DEVICE + offset), write), n);
	assert_int_equal(seen.writes, write);
	assert_int_equal(seen.reads, !write);
	assert_int_equal(seen.offset, offset);
	assert_int_equal(seen.offset, read_offset);
	assert_int_equal(seen.size, size);
	assert_int_equal(seen.value, value);
	assert_memory_equal(&vcpu.regs, &regs, sizeof(regs));
}
#define SAME(bytes, offset, write) expect_same(bytes, sizeof(bytes) - 1, offset, write)

static void test_loads(void **unused)
{
	(void)unused;
	SAME("\x8b\x03", 0, false);			   /* mov eax, [rbx] */
	SAME("\x48\x8b\x43\x10", 0x10, false);		   /* mov rax, [rbx + 16] */
	SAME("\x66\x8b\x43\x02", 2, false);		   /* mov ax, [rbx + 2] */
	SAME("\x8a\x4b\x03", 3, false);			   /* mov cl, [rbx + 3] */
	SAME("\x45\x8b\x65\x00", 0x20, false);		   /* mov r12d, [r13] */
	SAME("\x8b\x44\xb3\x08", 0x18, false);		   /* mov eax, [rbx + rsi*4 + 8] */
	SAME("\x8b\x1b", 0, false);			   /* mov ebx, [rbx] */
	SAME("\x0f\xb6\x53\x05", 5, false);		   /* movzx edx, byte [rbx + 5] */
	SAME("\x66\x0f\xb6\x53\x05", 5, false);		   /* movzx dx, byte [rbx + 5] */
	SAME("\x48\x0f\xb7\x53\x06", 6, false);		   /* movzx rdx, word [rbx + 6] */
	SAME("\x8b\x04\x25\x10\x00\xc0\xfe", 0x10, false); /* mov eax, [0xfffffffffec00010] */
	SAME("\x8b\x05\x0a\x80\xbf\xfe", 0x10, false);	   /* mov eax, [rip + ...] */
	SAME("\x67\x8b\x03", 0, false);			   /* mov eax, [ebx] */
	SAME("\x8b\x83\xfc\x0f\x00\x00", 0xffc, false);	   /* the page's last word */
}

static void test_stores(void **unused)
{
	(void)unused;
	SAME("\x89\x0b", 0, true);				      /* mov [rbx], ecx */
	SAME("\x48\x89\x4b\x08", 8, true);			      /* mov [rbx + 8], rcx */
	SAME("\x66\x89\x4b\x02", 2, true);			      /* mov [rbx + 2], cx */
	SAME("\x88\x4b\x01", 1, true);				      /* mov [rbx + 1], cl */
	SAME("\x40\x88\x7b\x01", 1, true);			      /* mov [rbx + 1], dil */
	SAME("\xc7\x03\x78\x56\x34\x92", 0, true);		      /* mov dword [rbx], imm */
	SAME("\x48\xc7\x43\x08\x78\x56\x34\x92", 8, true);	      /* sign-extended */
	SAME("\xc6\x03\x80", 0, true);				      /* mov byte [rbx], imm */
	SAME("\x41\xc7\x45\x00\x00\x00\x00\x00", 0x20, true);	      /* mov dword [r13], 0 */
	SAME("\xc7\x05\x06\x80\xbf\xfe\x01\x00\x00\x00", 0x10, true); /* mov dword [rip + ...], 1 */
}

/* Not for the short way: it must not have done anything. */
static void expect_refusal(const char *bytes, size_t n, u64 gpa, bool write)
{
	struct guest_regs regs = vcpu.regs;
	u8 code[16];

	padded(code, bytes, n);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(mmio_move(&vcpu, code, GPA(gpa), write), 0);
	assert_int_equal(seen.reads + seen.writes, 0);
	assert_memory_equal(&vcpu.regs, &regs, sizeof(regs));
}

static void decode_then_refuse(const char *bytes, size_t n, u64 gpa, bool write)
{
	u8 code[16];

	padded(code, bytes, n);
	fill_registers();
	assert_int_equal(emulate(code, gpa, write), n);
	fill_registers();
	expect_refusal(bytes, n, gpa, write);
}
#define REFUSED(bytes, gpa, write) decode_then_refuse(bytes, sizeof(bytes) - 1, gpa, write)

static void test_other_instructions(void **unused)
{
	(void)unused;
	REFUSED("\x8b\x23", DEVICE, false);	/* mov esp, [rbx] */
	REFUSED("\x89\x23", DEVICE, true);	/* mov [rbx], esp */
	REFUSED("\x8a\x23", DEVICE, false);	/* mov ah, [rbx] */
	REFUSED("\x64\x8b\x03", DEVICE, false); /* mov eax, fs:[rbx] */
	REFUSED("\x0f\xbe\x03", DEVICE, false); /* movsx eax, byte [rbx] */
	REFUSED("\x0b\x03", DEVICE, false);	/* or eax, [rbx] */
	REFUSED("\x87\x03", DEVICE, true);	/* xchg [rbx], eax */
}

static void test_not_this_operand(void **unused)
{
	static const char load[] = "\x8b\x03", store[] = "\x89\x0b";
	u8 code[16];

	(void)unused;
	/* Nothing in the cache; all of it zero. */
	expect_refusal(load, 2, DEVICE, false);
	expect_refusal("\0\0", 2, DEVICE, false);
	padded(code, load, 2);
	emulate(code, DEVICE, false);
	fill_registers();
	expect_refusal(load, 2, DEVICE + 4, false);
	expect_refusal(load, 2, DEVICE, true);
	expect_refusal(store, 2, DEVICE, true); /* the code has changed */
	/* The first of its bytes that fits another length. */
	expect_refusal("\x8b\x43\x03", 3, DEVICE, false);
	padded(code, store, 2);
	emulate(code, DEVICE, true);
	fill_registers();
	expect_refusal(store, 2, DEVICE, false);
	/* Not aligned, and into the next page. */
	vcpu.regs.r[REG_RBX] = DEVICE + 2;
	expect_refusal(store, 2, DEVICE + 2, true);
	vcpu.regs.r[REG_RBX] = DEVICE_END - 2;
	expect_refusal(store, 2, DEVICE_END - 2, true);
	expect_refusal(store, 2, DEVICE_END, true);
}

static void test_other_mode(void **unused)
{
	struct emu_cache_entry *e = emu_cache_slot(&cache, RIP);
	u8 code[16];

	(void)unused;
	padded(code, "\x8b\x03", 2);
	emulate(code, DEVICE, false);
	fill_registers();
	e->bytes[1] ^= (u64)(EMU_MODE_64 ^ EMU_MODE_32) << EMU_CACHE_MODE_SHIFT;
	expect_refusal("\x8b\x03", 2, DEVICE, false);
}

/* Where there is no device either. */
static void test_nobody(void **unused)
{
	u8 code[16];

	(void)unused;
	vcpu.regs.r[REG_RBX] = 0x1000;
	padded(code, "\x8b\x03", 2);
	emulate(code, 0x1000, false);
	vcpu.regs.r[REG_RBX] = 0x1000;
	assert_int_equal(mmio_move(&vcpu, code, GPA(0x1000), false), 2); /* nobody's */
	assert_int_equal(vcpu.regs.r[REG_RAX], 0xffffffff);
}

/* --- the cache of fetched pages --- */

#define GENERATION 7
static u64 pte[FETCH_LEVELS];
static u8 page[PAGE_SIZE];

static struct fetch_cache *record(unsigned levels, u64 linear, u64 cr3, u64 mode)
{
	struct fetch_cache *c = &vcpu.fetch_cache[fetch_cache_index(linear)];

	fetch_cache_begin(c, GENERATION);
	for (unsigned i = 0; i < levels; i++)
		fetch_cache_record(c, &pte[i % FETCH_LEVELS], pte[i % FETCH_LEVELS]);
	fetch_cache_end(c, linear, cr3, mode, page);
	return c;
}

static void test_fetch_levels(void **unused)
{
	u64 at = 0xffff800000403010ull;

	(void)unused;
	assert_null(fetch_cache_code(vcpu.fetch_cache, 0, 0, 0, GENERATION, 1)); /* empty */
	for (unsigned levels = 0; levels <= FETCH_LEVELS + 1; levels++) {
		bool kept = levels >= 1 && levels <= FETCH_LEVELS;

		record(levels, at, 0x1000, 5);
		assert_ptr_equal(fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 5, GENERATION, 16),
				 kept ? page + 0x10 : NULL);
		for (unsigned i = 0; i < levels && kept; i++) {
			pte[i] ^= BIT(63);
			assert_null(
				fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 5, GENERATION, 16));
			pte[i] ^= BIT(63);
		}
	}
}

static void test_fetch_conditions(void **unused)
{
	u64 at = 0x403000;
	const u8 *hit;

	(void)unused;
	record(4, at, 0x1000, 5);
	assert_null(fetch_cache_code(vcpu.fetch_cache, at, 0x2000, 5, GENERATION, 16));
	assert_null(fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 4, GENERATION, 16));
	assert_null(fetch_cache_code(vcpu.fetch_cache, at + FETCH_CACHES * PAGE_SIZE, 0x1000, 5,
				     GENERATION, 1));
	assert_null(fetch_cache_code(vcpu.fetch_cache, at | BIT(63), 0x1000, 5, GENERATION, 16));
	hit = fetch_cache_code(vcpu.fetch_cache, at + PAGE_SIZE - 16, 0x1000, 5, GENERATION, 16);
	assert_ptr_equal(hit, page + PAGE_SIZE - 16);
	assert_null(
		fetch_cache_code(vcpu.fetch_cache, at + PAGE_SIZE - 15, 0x1000, 5, GENERATION, 16));
	/* Slots have changed: the pointers may lead nowhere. */
	assert_null(fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 5, GENERATION + 1, 16));
	assert_non_null(fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 5, GENERATION, 16));
	fetch_cache_begin(&vcpu.fetch_cache[fetch_cache_index(at)], GENERATION);
	assert_null(fetch_cache_code(vcpu.fetch_cache, at, 0x1000, 5, GENERATION, 16));
}

static void test_fetch_mode(void **unused)
{
	u64 cr0 = CR0_PE | CR0_PG, efer = EFER_LME | EFER_LMA;
	u64 kernel = fetch_mode(cr0, CR4_PAE, efer, FETCH_CS_L, 0);

	(void)unused;
	assert_true(fetch_mode_is_kernel(kernel) && fetch_mode_is_64bit(kernel));
	for (unsigned cpl = 1; cpl <= 3; cpl++) {
		u64 user = fetch_mode(cr0, CR4_PAE, efer, FETCH_CS_L, cpl);

		assert_false(fetch_mode_is_kernel(user));
		assert_true(fetch_mode_is_64bit(user));
		assert_int_not_equal(user, kernel);
	}
	assert_false(fetch_mode_is_kernel(fetch_mode(cr0, CR4_PAE, efer, 0, 0)));
	assert_false(fetch_mode_is_64bit(fetch_mode(cr0, CR4_PAE, EFER_LME, FETCH_CS_L, 0)));
	/* What has no say in it makes no difference. */
	assert_int_equal(fetch_mode(cr0 | CR0_TS | CR0_WP, CR4_PAE | CR4_TSD, efer | EFER_SCE,
				    FETCH_CS_L, 0),
			 kernel);
	assert_int_not_equal(fetch_mode(cr0, CR4_PAE | CR4_SMEP, efer, FETCH_CS_L, 0), kernel);
	assert_int_not_equal(fetch_mode(cr0, CR4_PAE, efer | EFER_NXE, FETCH_CS_L, 0), kernel);
}

#define T(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_loads),
		T(test_stores),
		T(test_other_instructions),
		T(test_not_this_operand),
		T(test_other_mode),
		T(test_nobody),
		T(test_fetch_levels),
		T(test_fetch_conditions),
		T(test_fetch_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
