/*
 * The emulator against the processor: random instructions of every supported form run natively, on
 * real memory, and in the emulator, on a copy; registers, flags and memory must be the same after.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "emu_case.h"

#define ROUNDS 300 /* cases of each form */

static struct world world;

static const struct form forms[] = {
	/* MOV, MOVNTI, MOVBE */
	{ 0, 0, 0x88, -1, BYTE },
	{ 0, 0, 0x89, -1, 0 },
	{ 0, 0, 0x8a, -1, BYTE },
	{ 0, 0, 0x8b, -1, 0 },
	{ 0, 0, 0xc6, 0, BYTE | IMM8 },
	{ 0, 0, 0xc7, 0, IMMZ },
	{ 0, 0, 0x8c, -1, SREG },
	{ 0, 1, 0xc3, -1, NO_REG | NO_66 },
	{ 0, 2, 0xf0, -1, NO_REG },
	{ 0, 2, 0xf1, -1, NO_REG },
	/* MOVZX, MOVSX, MOVSXD */
	{ 0, 1, 0xb6, -1, 0 },
	{ 0, 1, 0xb7, -1, 0 },
	{ 0, 1, 0xbe, -1, 0 },
	{ 0, 1, 0xbf, -1, 0 },
	{ 0, 0, 0x63, -1, NO_66 },
	/* XCHG, XADD, CMPXCHG */
	{ 0, 0, 0x86, -1, BYTE | LOCKABLE },
	{ 0, 0, 0x87, -1, LOCKABLE },
	{ 0, 1, 0xc0, -1, BYTE | LOCKABLE },
	{ 0, 1, 0xc1, -1, LOCKABLE },
	/* A 32-bit register as destination that differs is implementation-specific. */
	{ 0, 1, 0xb0, -1, BYTE | LOCKABLE | EQUAL },
	{ 0, 1, 0xb1, -1, NO_REG | LOCKABLE | EQUAL },
	{ 0, 1, 0xc7, 1, NO_REG | NO_66 | LOCKABLE | PAIR },
	/* TEST, NOT, NEG, INC, DEC */
	{ 0, 0, 0x84, -1, BYTE | LOGIC },
	{ 0, 0, 0x85, -1, LOGIC },
	{ 0, 0, 0xf6, 0, BYTE | IMM8 | LOGIC },
	{ 0, 0, 0xf7, 0, IMMZ | LOGIC },
	{ 0, 0, 0xf6, 2, BYTE | LOCKABLE },
	{ 0, 0, 0xf7, 2, LOCKABLE },
	{ 0, 0, 0xf6, 3, BYTE | LOCKABLE },
	{ 0, 0, 0xf7, 3, LOCKABLE },
	{ 0, 0, 0xfe, 0, BYTE | LOCKABLE },
	{ 0, 0, 0xff, 0, LOCKABLE },
	{ 0, 0, 0xfe, 1, BYTE | LOCKABLE },
	{ 0, 0, 0xff, 1, LOCKABLE },
	/* IMUL, two operands */
	{ 0, 1, 0xaf, -1, MULFLAG },
	/* BT, BTS, BTR, BTC */
	{ 0, 1, 0xa3, -1, BITREG | BITFLAG },
	{ 0, 1, 0xab, -1, BITREG | BITFLAG | LOCKABLE },
	{ 0, 1, 0xb3, -1, BITREG | BITFLAG | LOCKABLE },
	{ 0, 1, 0xbb, -1, BITREG | BITFLAG | LOCKABLE },
	{ 0, 1, 0xba, 4, IMM8 | BITFLAG },
	{ 0, 1, 0xba, 5, IMM8 | BITFLAG | LOCKABLE },
	{ 0, 1, 0xba, 6, IMM8 | BITFLAG | LOCKABLE },
	{ 0, 1, 0xba, 7, IMM8 | BITFLAG | LOCKABLE },
	/* PUSH, POP, CALL, JMP */
	{ 0, 0, 0xff, 6, STACK },
	{ 0, 0, 0x8f, 0, STACK },
	{ 0, 0, 0xff, 2, STACK | BRANCH | NO_REG | NO_66 },
	{ 0, 0, 0xff, 4, BRANCH | NO_REG | NO_66 },
	/* SSE moves */
	{ 0, 1, 0x10, -1, NO_REG | NO_66 },
	{ 0, 1, 0x11, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x10, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x11, -1, NO_REG | NO_66 },
	{ 0xf3, 1, 0x10, -1, NO_REG | NO_66 },
	{ 0xf3, 1, 0x11, -1, NO_REG | NO_66 },
	{ 0xf2, 1, 0x10, -1, NO_REG | NO_66 },
	{ 0xf2, 1, 0x11, -1, NO_REG | NO_66 },
	{ 0, 1, 0x12, -1, NO_REG | NO_66 },
	{ 0, 1, 0x13, -1, NO_REG | NO_66 },
	{ 0, 1, 0x16, -1, NO_REG | NO_66 },
	{ 0, 1, 0x17, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x12, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x13, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x16, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x17, -1, NO_REG | NO_66 },
	{ 0, 1, 0x28, -1, NO_REG | NO_66 | ALIGN },
	{ 0, 1, 0x29, -1, NO_REG | NO_66 | ALIGN },
	{ 0, 1, 0x2b, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0x28, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0x29, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0x2b, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0x6f, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0x7f, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 1, 0xe7, -1, NO_REG | NO_66 | ALIGN },
	{ 0x66, 2, 0x2a, -1, NO_REG | NO_66 | ALIGN },
	{ 0xf3, 1, 0x6f, -1, NO_REG | NO_66 },
	{ 0xf3, 1, 0x7f, -1, NO_REG | NO_66 },
	{ 0xf2, 1, 0xf0, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0x6e, -1, NO_66 },
	{ 0x66, 1, 0x7e, -1, NO_66 },
	{ 0xf3, 1, 0x7e, -1, NO_REG | NO_66 },
	{ 0x66, 1, 0xd6, -1, NO_REG | NO_66 },
};

static u32 undefined_flags(const struct test_case *t)
{
	u32 undef = 0;
	u8 count = t->form.flags & IMM8	    ? t->code[t->len - 1]
		   : t->form.opcode >= 0xd2 ? (u8)t->before.r[REG_RCX]
					    : 1;

	if (t->form.flags & LOGIC)
		undef |= FLAG_AF;
	if (t->form.flags & MULFLAG)
		undef |= FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
	if (t->form.flags & BITFLAG)
		undef |= FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
	if (!(t->form.flags & SHIFT))
		return undef;
	count &= t->size == 8 ? 63 : 31;
	if (count != 0 && t->form.digit >= 4)
		undef |= FLAG_AF;
	if (count > 1)
		undef |= FLAG_OF;
	if (count >= 8 * t->size && t->form.digit >= 4)
		undef |= FLAG_CF;
	return undef;
}

static void run_native(const struct test_case *t)
{
	u8 *code = (u8 *)CODE_BASE;
	u64 back = (u64)(uintptr_t)native_exit;

	memcpy(code, t->code, t->len);
	memcpy(code + t->len, "\xff\x25\0\0\0\0", 6);
	memcpy(code + t->len + 6, &back, 8);
	memcpy((void *)DATA_BASE, t->mem, WORLD_SIZE);
	native_state = t->before;
	native_state.code = CODE_BASE;
	native_run();
}

static enum emu_result run_emulated(const struct test_case *t)
{
	enum emu_result ret;
	unsigned calls = 0;

	memcpy(world.regs.r, t->before.r, sizeof(world.regs.r));
	memcpy(world.xmm, t->before.xmm, sizeof(world.xmm));
	memcpy(world.mem, t->mem, WORLD_SIZE);
	world.ctx.rflags = t->before.flags;
	world.ctx.rip = CODE_BASE;
	world_code(&world, t->code, t->len);
	do {
		ret = emu_run(&world.ctx);
	} while ((ret == EMU_PART || ret == EMU_AGAIN) && calls++ < 100);
	return ret;
}

static void show_case(const struct test_case *t)
{
	fprintf(stderr, "case:");
	for (unsigned i = 0; i < t->len; i++)
		fprintf(stderr, " %02x", t->code[i]);
	fprintf(stderr, " target %llx flags before %llx\n", (unsigned long long)t->target,
		(unsigned long long)t->before.flags);
}

static bool same_state(const struct test_case *t)
{
	u64 differ = (native_state.flags ^ world.ctx.rflags) & FLAGS_TESTED & ~undefined_flags(t);
	u64 rip = t->form.flags & BRANCH ? (u64)(uintptr_t)native_exit : CODE_BASE + t->len;
	bool same = true;

	for (unsigned i = 0; i < 16; i++) {
		if (native_state.r[i] == world.regs.r[i])
			continue;
		fprintf(stderr, "r%u: before %llx, processor %llx, emulator %llx\n", i,
			(unsigned long long)t->before.r[i], (unsigned long long)native_state.r[i],
			(unsigned long long)world.regs.r[i]);
		same = false;
	}
	if (differ)
		fprintf(stderr, "flags: processor %llx, emulator %llx\n",
			(unsigned long long)native_state.flags,
			(unsigned long long)world.ctx.rflags);
	if (memcmp((void *)DATA_BASE, world.mem, WORLD_SIZE) != 0) {
		fprintf(stderr, "memory differs\n");
		same = false;
	}
	if (memcmp(native_state.xmm, world.xmm, sizeof(world.xmm)) != 0) {
		fprintf(stderr, "xmm differs\n");
		same = false;
	}
	if (world.ctx.rip != rip || world.bad) {
		fprintf(stderr, "rip %llx, bad accesses %u\n", (unsigned long long)world.ctx.rip,
			world.bad);
		same = false;
	}
	return same && !differ;
}

/* Once decoded afresh, once from the cache, once more with the operand's address from the exit. */
static void compare_case(const struct test_case *t)
{
	u64 misses;

	run_native(t);
	for (unsigned i = 0; i < 3; i++) {
		enum emu_result ret;

		misses = world.cache.misses;
		world.ctx.hint_valid = i == 2 && t->has_mem && !(t->form.flags & BITREG);
		world.ctx.hint_write = true;
		world.ctx.hint_gpa = GPA(t->target);
		ret = run_emulated(t);
		if (ret != EMU_DONE || !same_state(t)) {
			show_case(t);
			fail_msg("result %d: %s", (int)ret,
				 ret == EMU_UNHANDLED ? world.ctx.why : "-");
		}
		assert_true(i == 0 || world.cache.misses == misses);
	}
	world.ctx.hint_valid = false;
}

static void run_form(const struct form *f)
{
	static struct test_case t;

	for (unsigned done = 0; done < ROUNDS;) {
		if (!make_case(&t, f))
			continue;
		compare_case(&t);
		done++;
	}
}

static bool cpu_has_movbe(void)
{
	unsigned a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_MOVBE);
}

static void test_forms(void **state __unused)
{
	for (unsigned i = 0; i < ARRAY_SIZE(forms); i++) {
		bool movbe = forms[i].map == 2 && (forms[i].opcode & 0xfe) == 0xf0;

		if (!movbe || cpu_has_movbe())
			run_form(&forms[i]);
	}
}

static void test_binary(void **state __unused)
{
	for (unsigned op = 0; op < 8; op++) {
		u32 lock = op == 7 ? 0 : LOCKABLE;
		u32 logic = op == 1 || op == 4 || op == 6 ? LOGIC : 0;
		struct form f[] = {
			{ 0, 0, (u8)(op * 8), -1, BYTE | lock | logic },
			{ 0, 0, (u8)(op * 8 + 1), -1, lock | logic },
			{ 0, 0, (u8)(op * 8 + 2), -1, BYTE | logic },
			{ 0, 0, (u8)(op * 8 + 3), -1, logic },
			{ 0, 0, 0x80, (int)op, BYTE | IMM8 | lock | logic },
			{ 0, 0, 0x81, (int)op, IMMZ | lock | logic },
			{ 0, 0, 0x83, (int)op, IMM8 | lock | logic },
		};

		for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
			run_form(&f[i]);
	}
}

static void test_shifts(void **state __unused)
{
	static const int digits[] = { 0, 1, 4, 5, 6, 7 };

	for (unsigned d = 0; d < ARRAY_SIZE(digits); d++) {
		struct form f[] = {
			{ 0, 0, 0xc0, digits[d], BYTE | IMM8 | SHIFT },
			{ 0, 0, 0xc1, digits[d], IMM8 | SHIFT },
			{ 0, 0, 0xd0, digits[d], BYTE | SHIFT },
			{ 0, 0, 0xd1, digits[d], SHIFT },
			{ 0, 0, 0xd2, digits[d], BYTE | SHIFT },
			{ 0, 0, 0xd3, digits[d], SHIFT },
		};

		for (unsigned i = 0; i < ARRAY_SIZE(f); i++)
			run_form(&f[i]);
	}
}

static void test_conditions(void **state __unused)
{
	for (unsigned cc = 0; cc < 16; cc++) {
		struct form set = { 0, 1, (u8)(0x90 + cc), 0, BYTE };
		struct form cmov = { 0, 1, (u8)(0x40 + cc), -1, 0 };

		run_form(&set);
		run_form(&cmov);
	}
}

/* A0 to A3: 64-bit absolute addresses, 32-bit ones with 0x67. */
static void test_moffs(void **state __unused)
{
	static struct test_case t;

	for (unsigned n = 0; n < 4 * ROUNDS; n++) {
		struct form f = { 0, 0, (u8)(0xa0 + n % 4), -1, n % 2 ? 0 : BYTE };

		while (!make_case(&t, &f))
			;
		t.len = t.modrm_at;
		emit_value(&t, t.target - (t.gs ? GS_BASE : 0), t.addr32 ? 4 : 8);
		t.has_mem = true;
		compare_case(&t);
	}
}

static void string_case(struct test_case *t, u8 opcode, u8 rep)
{
	struct form f = { rep, 0, opcode, -1, opcode & 1 ? 0 : BYTE };
	bool compare = opcode == 0xa6 || opcode == 0xa7 || opcode == 0xae || opcode == 0xaf;

	while (!make_case(t, &f))
		;
	t->len = t->modrm_at;
	t->before.flags |= one_in(2) ? FLAG_DF : 0;
	set_address_reg(t, REG_RSI,
			DATA_BASE + PAGE_SIZE - 20 + rnd() % 24 - (t->gs ? GS_BASE : 0));
	set_address_reg(t, REG_RDI, DATA_BASE + 2 * PAGE_SIZE - 20 + rnd() % 24);
	set_address_reg(t, REG_RCX, one_in(3) ? 1 + rnd() % 3 : 1 + rnd() % 200);
	if (!compare || one_in(2))
		return;
	/* Long runs of equal elements, so that REPE goes on for a while. */
	memset(t->mem, 0x5a, WORLD_SIZE);
	t->before.r[REG_RAX] = 0x5a5a5a5a5a5a5a5aull;
	t->mem[rnd() % WORLD_SIZE] = 1;
}

static void test_strings(void **state __unused)
{
	static const u8 opcodes[] = { 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf };
	static const u8 reps[] = { 0, 0xf3, 0xf2 };
	static struct test_case t;

	for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++) {
		for (unsigned n = 0; n < ROUNDS; n++) {
			string_case(&t, opcodes[i], reps[n % 3]);
			run_native(&t);
			if (run_emulated(&t) != EMU_DONE || !same_state(&t)) {
				show_case(&t);
				fail();
			}
		}
	}
}

static void get_selectors(void)
{
	u16 s[EMU_SEG_COUNT];

	__asm__("mov %%es, %0" : "=m"(s[EMU_SEG_ES]));
	__asm__("mov %%cs, %0" : "=m"(s[EMU_SEG_CS]));
	__asm__("mov %%ss, %0" : "=m"(s[EMU_SEG_SS]));
	__asm__("mov %%ds, %0" : "=m"(s[EMU_SEG_DS]));
	__asm__("mov %%fs, %0" : "=m"(s[EMU_SEG_FS]));
	__asm__("mov %%gs, %0" : "=m"(s[EMU_SEG_GS]));
	for (unsigned i = 0; i < EMU_SEG_COUNT; i++)
		world.seg[i].selector = s[i];
}

static int set_up(void **state __unused)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
	void *data = mmap((void *)DATA_BASE, WORLD_SIZE, PROT_READ | PROT_WRITE, flags, -1, 0);
	void *code = mmap((void *)CODE_BASE, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, flags,
			  -1, 0);

	if (data != (void *)DATA_BASE || code != (void *)CODE_BASE)
		return -1;
	world_init(&world, DATA_BASE);
	if (syscall(SYS_arch_prctl, ARCH_SET_GS, GS_BASE) != 0)
		return -1;
	world.seg[EMU_SEG_GS].base = GS_BASE;
	get_selectors();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),  cmocka_unit_test(test_binary),
		cmocka_unit_test(test_shifts), cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_moffs),  cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
