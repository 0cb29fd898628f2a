/* Makes random instructions of a given form, and a state in which their operands are in reach. */
#ifndef NEAP_TESTS_EMU_CASE_H
#define NEAP_TESTS_EMU_CASE_H

#include "emu_native.h"
#include "emu_world.h"

#define DATA_BASE    0x20000000ull
#define CODE_BASE    0x20010000ull
#define GS_BASE	     0x01234000ull
#define FLAG_CF	     0x001u
#define FLAG_PF	     0x004u
#define FLAG_AF	     0x010u
#define FLAG_ZF	     0x040u
#define FLAG_SF	     0x080u
#define FLAG_DF	     0x400u
#define FLAG_OF	     0x800u
#define FLAGS_TESTED (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_DF | FLAG_OF)

/* Properties of a form. */
enum {
	BYTE = 1u << 0, /* operands of one byte */
	IMM8 = 1u << 1, /* a byte of immediate */
	IMMZ = 1u << 2, /* two or four bytes of immediate, by operand size */
	LOCKABLE = 1u << 3,
	NO_REG = 1u << 4, /* memory operand only */
	NO_66 = 1u << 5,
	SHIFT = 1u << 6,    /* flags depend on the count */
	LOGIC = 1u << 7,    /* AF undefined */
	BITREG = 1u << 8,   /* bit number in a register */
	BITFLAG = 1u << 9,  /* only CF is defined */
	MULFLAG = 1u << 16, /* only CF and OF are defined */
	STACK = 1u << 10,
	BRANCH = 1u << 11, /* to native_exit */
	EQUAL = 1u << 12,  /* CMPXCHG: make memory equal RAX, half of the time */
	PAIR = 1u << 13,
	ALIGN = 1u << 14, /* 16 bytes */
	SREG = 1u << 15,  /* reg field is a segment register */
};

struct form {
	u8 mandatory; /* 66, F2, F3 or 0 */
	u8 map;	      /* 0: one-byte, 1: 0F, 2: 0F 38 */
	u8 opcode;
	int digit; /* reg field, -1: random */
	u32 flags;
};

/* One case: the instruction and the state before it. */
struct test_case {
	struct form form;
	u8 code[32];
	unsigned len;
	struct native_state before;
	u8 mem[WORLD_SIZE];
	u64 target; /* linear address of the operand */
	bool has_mem;
	unsigned size; /* operand size */
	unsigned rex, modrm_at;
	bool addr32, gs, lock;
};

static u64 seed = 88172645463325252ull;

static u64 rnd(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed * 0x2545f4914f6cdd1dull;
}

static bool one_in(unsigned n)
{
	return rnd() % n == 0;
}

/* Values near the edges are as likely as any others. */
static u64 rnd_value(void)
{
	static const u64 edges[] = { 0,
				     1,
				     0x7f,
				     0x80,
				     0xff,
				     0x7fff,
				     0x8000,
				     0xffff,
				     0x7fffffff,
				     0x80000000,
				     0xffffffff,
				     0x7fffffffffffffff,
				     0x8000000000000000,
				     ~0ull };

	return one_in(2) ? rnd() : edges[rnd() % ARRAY_SIZE(edges)];
}

static void emit(struct test_case *t, u8 b)
{
	t->code[t->len++] = b;
}

static void emit_value(struct test_case *t, u64 v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		emit(t, (u8)(v >> 8 * i));
}

static u64 mask_of(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

/* Where the operand lies: anywhere, or around the page boundary. */
static u64 pick_target(const struct test_case *t)
{
	u64 target = DATA_BASE + 0x400 + rnd() % (WORLD_SIZE - 0x800);

	if (one_in(3))
		target = DATA_BASE + PAGE_SIZE - 18 + rnd() % 20;
	if (t->form.flags & ALIGN)
		target &= ~15ull;
	if ((t->form.flags & PAIR) && (t->rex & 8))
		target &= ~15ull;
	return target;
}

static void emit_prefixes(struct test_case *t)
{
	bool op16 = !(t->form.flags & NO_66) && one_in(4);

	t->addr32 = one_in(5);
	t->gs = one_in(5);
	if (op16)
		emit(t, 0x66);
	if (t->addr32)
		emit(t, 0x67);
	if (t->gs)
		emit(t, 0x65);
	t->lock = (t->form.flags & LOCKABLE) && one_in(3);
	if (t->lock)
		emit(t, 0xf0);
	if (t->form.mandatory)
		emit(t, t->form.mandatory);
	t->rex = one_in(2) ? 0x40 | (rnd() & 15) : 0;
	if (t->rex)
		emit(t, (u8)t->rex);
	t->size = t->form.flags & BYTE ? 1 : t->rex & 8 ? 8 : op16 ? 2 : 4;
	if (t->form.map)
		emit(t, 0x0f);
	if (t->form.map == 2)
		emit(t, 0x38);
	emit(t, t->form.opcode);
}

/* The bytes of immediate, so that RIP-relative operands can be computed before them. */
static unsigned imm_length(const struct test_case *t)
{
	if (t->form.flags & IMM8)
		return 1;
	return t->form.flags & IMMZ ? MIN(t->size, 4) : 0;
}

static u64 *reg_of(struct test_case *t, unsigned n)
{
	return &t->before.r[n];
}

/* The stack pointer is fixed where the instruction uses it. */
static bool fixed_reg(const struct test_case *t, unsigned n)
{
	return (t->form.flags & STACK) && n == REG_RSP;
}

/* An address register: must come out as value, and only 32 bits count with an 0x67. */
static void set_address_reg(struct test_case *t, unsigned n, u64 value)
{
	if (t->addr32)
		value = (u32)value | (rnd() << 32);
	*reg_of(t, n) = value;
}

/* Displacement and base so that base + scaled index + displacement is ea. False: try another. */
static bool solve_address(struct test_case *t, int base, int index, unsigned scale, unsigned mod,
			  u64 ea, u64 *disp)
{
	u64 scaled = 0;
	u64 pop = t->form.opcode == 0x8f && base == REG_RSP ? t->size : 0;

	if (index >= 0) {
		if (fixed_reg(t, (unsigned)index) || index == base)
			return false;
		set_address_reg(t, (unsigned)index, rnd() & 0xfff);
		scaled = (*reg_of(t, (unsigned)index) & mask_of(t->addr32 ? 4 : 8)) << scale;
	}
	if (base < 0 || fixed_reg(t, (unsigned)base)) {
		if (base >= 0 && mod != 2)
			return false;
		*disp = ea - scaled - (base >= 0 ? *reg_of(t, (unsigned)base) + pop : 0);
		return true;
	}
	*disp = mod == 0 ? 0 : mod == 1 ? (u64)(int8_t)rnd() : (u64)(s32)rnd();
	set_address_reg(t, (unsigned)base, ea - scaled - *disp);
	return true;
}

static bool emit_sib(struct test_case *t, u8 modrm, unsigned mod, u64 ea)
{
	unsigned scale = rnd() & 3, index = rnd() & 7, base = rnd() & 7;
	int full_index = (int)(index | (t->rex & 2 ? 8 : 0));
	int full_base = (int)(base | (t->rex & 1 ? 8 : 0));
	u64 disp;

	if (full_index == 4)
		full_index = -1;
	if (base == 5 && mod == 0)
		full_base = -1;
	if (!solve_address(t, full_base, full_index, scale, mod, ea, &disp))
		return false;
	emit(t, (u8)((modrm & 0xf8) | 4));
	emit(t, (u8)(scale << 6 | index << 3 | base));
	emit_value(t, disp, mod == 1 ? 1 : mod == 2 || full_base < 0 ? 4 : 0);
	return true;
}

static bool emit_modrm(struct test_case *t)
{
	unsigned reg = t->form.digit >= 0 ? (unsigned)t->form.digit : (unsigned)(rnd() & 7);
	unsigned mod = rnd() % 3, rm = rnd() & 7;
	u64 ea = t->target - (t->gs ? GS_BASE : 0), disp;
	u8 modrm;

	if (t->form.flags & SREG) {
		reg = (unsigned)(rnd() % 6);
		if (t->rex & 4)
			return false;
	}
	if (!(t->form.flags & NO_REG) && !t->lock && one_in(6)) {
		t->has_mem = false;
		emit(t, (u8)(0xc0 | reg << 3 | rm));
		/* The stack pointer itself is needed to get back. */
		return !(t->form.flags & STACK) || (rm | (t->rex & 1 ? 8 : 0)) != REG_RSP;
	}
	t->has_mem = true;
	modrm = (u8)(mod << 6 | reg << 3 | rm);
	if (rm == 4)
		return emit_sib(t, modrm, mod, ea);
	emit(t, modrm);
	if (mod == 0 && rm == 5) {
		disp = ea - (CODE_BASE + t->len + 4 + imm_length(t));
		emit_value(t, disp, 4);
		return true;
	}
	if (!solve_address(t, (int)(rm | (t->rex & 1 ? 8 : 0)), -1, 0, mod, ea, &disp))
		return false;
	emit_value(t, disp, mod == 1 ? 1 : mod == 2 ? 4 : 0);
	return true;
}

/* The register whose number is in the reg field. */
static unsigned reg_field(const struct test_case *t)
{
	return (t->code[t->modrm_at] >> 3 & 7) | (t->rex & 4 ? 8 : 0);
}

/* A bit number must stay in our memory. */
static void limit_bit_number(struct test_case *t)
{
	u64 near = (u64)((int64_t)(rnd() % 0x1000) - 0x800), mask = mask_of(t->size);

	if (t->has_mem)
		*reg_of(t, reg_field(t)) = (rnd() & ~mask) | (near & mask);
}

static void set_memory(struct test_case *t, u64 linear, const void *bytes, unsigned n)
{
	memcpy(t->mem + (linear - DATA_BASE), bytes, n);
}

/* What the form needs beyond random values. */
static void finish_state(struct test_case *t)
{
	u64 exit_address = (u64)(uintptr_t)native_exit;

	if (t->form.flags & BRANCH)
		set_memory(t, t->target, &exit_address, 8);
	if ((t->form.flags & EQUAL) && t->has_mem && one_in(2))
		set_memory(t, t->target, reg_of(t, REG_RAX), t->size);
	if ((t->form.flags & PAIR) && one_in(2)) {
		unsigned half = t->rex & 8 ? 8 : 4;

		set_memory(t, t->target, reg_of(t, REG_RAX), half);
		set_memory(t, t->target + half, reg_of(t, REG_RDX), half);
	}
}

/* Whether a register is part of the memory operand's address. */
static bool in_address(const struct test_case *t, unsigned reg)
{
	u8 modrm = t->code[t->modrm_at], sib = t->code[t->modrm_at + 1];
	unsigned b = t->rex & 1 ? 8 : 0, x = t->rex & 2 ? 8 : 0;

	if (!t->has_mem)
		return false;
	if ((modrm & 7) != 4)
		return ((modrm & 7) | b) == reg;
	return ((sib & 7) | b) == reg || ((sib >> 3 & 7) | x) == reg;
}

static bool make_case(struct test_case *t, const struct form *f)
{
	memset(t, 0, offsetof(struct test_case, before));
	t->form = *f;
	t->len = 0;
	for (unsigned i = 0; i < 16; i++)
		t->before.r[i] = rnd_value();
	for (unsigned i = 0; i < WORLD_SIZE; i += 8) {
		u64 v = rnd_value();

		memcpy(t->mem + i, &v, 8);
	}
	for (unsigned i = 0; i < 256; i++)
		t->before.xmm[i / 16][i % 16] = (u8)rnd();
	t->before.flags = 0x202 | (rnd() & FLAGS_TESTED & ~FLAG_DF);
	if (f->flags & STACK)
		t->before.r[REG_RSP] = DATA_BASE + 3 * PAGE_SIZE + (rnd() & 0xff);
	emit_prefixes(t);
	t->target = pick_target(t);
	t->modrm_at = t->len;
	if (!emit_modrm(t))
		return false;
	emit_value(t, rnd_value(), imm_length(t));
	if (f->flags & BITREG) {
		if (in_address(t, reg_field(t)))
			return false;
		limit_bit_number(t);
	}
	finish_state(t);
	return true;
}

#endif
