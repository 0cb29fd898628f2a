/*
 * Fuzzer of the emulator and of the guest page walk under it: any instruction bytes, registers,
 * segments and page tables. It must end, stay inside its buffers, and keep its promises about what
 * a fault leaves behind. libFuzzer entry.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/emulate/emulate.h"

#define RAM_SIZE (4 * PAGE_SIZE)
/* More than any one instruction needs: 64 iterations of two operands, in parts, with walks. */
#define MAX_ACCESSES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	struct emu_ctx ctx; /* first: the ops cast back */
	struct guest_regs regs;
	struct emu_cache cache;
	struct gva_mode mode;
	struct emu_segment seg[EMU_SEG_COUNT];
	u8 xmm[16][16];
	u8 choice; /* of how memory behaves */
	unsigned accesses;
	u8 *ram; /* its own allocation, so that every step outside is seen */
};

/* Consumes the input from its front; zeroes when it is used up. */
struct input {
	const u8 *p;
	size_t left;
};

static void take(struct input *in, void *to, size_t n)
{
	size_t have = MIN(n, in->left);

	memset(to, 0, n);
	if (have)
		memcpy(to, in->p, have);
	in->p += have;
	in->left -= have;
}

static u8 take_byte(struct input *in)
{
	u8 b;

	take(in, &b, 1);
	return b;
}

static void require(bool condition)
{
	if (!condition)
		abort();
}

static void count_access(struct fuzz *f)
{
	require(++f->accesses <= MAX_ACCESSES);
}

/* Guest-physical memory repeats RAM, so that most addresses have something behind them. */
static u8 *memory(struct fuzz *f, gpa_t gpa, size_t size)
{
	u64 offset = gpa.v % RAM_SIZE;

	require((gpa.v & (PAGE_SIZE - 1)) + size <= PAGE_SIZE);
	return f->ram + offset;
}

static int read_pte(void *ctx, gpa_t gpa, void *buf, size_t size)
{
	struct fuzz *f = ctx;

	count_access(f);
	require((size == 4 || size == 8) && gpa.v % size == 0);
	if ((f->choice & 1) && (gpa.v & BIT(40)))
		return -ENXIO;
	memcpy(buf, memory(f, gpa, size), size);
	return 0;
}

static int cas_pte(void *ctx, gpa_t gpa, u64 old, u64 new, size_t size)
{
	struct fuzz *f = ctx;
	u8 *p = memory(f, gpa, size);

	count_access(f);
	if ((f->choice & 2) && (f->accesses & 1))
		return -EAGAIN;
	if (memcmp(p, &old, size) != 0)
		return -EAGAIN;
	memcpy(p, &new, size);
	return 0;
}

static const struct gva_ops gva_ops = { read_pte, cas_pte };

static int translate(struct emu_ctx *ctx, u64 linear, unsigned access, gpa_t *gpa)
{
	struct fuzz *f = (struct fuzz *)ctx;
	struct gva_result r;
	int ret = gva_translate(&f->mode, &gva_ops, f, linear, access, &r, &ctx->fault);

	if (ret != 0)
		return ret;
	require(((r.gpa.v ^ linear) & (PAGE_SIZE - 1)) == 0 && r.gpa.v < BIT(52));
	*gpa = r.gpa;
	return 0;
}

static int mem_read(struct emu_ctx *ctx, gpa_t gpa, void *buf, unsigned size)
{
	struct fuzz *f = (struct fuzz *)ctx;

	count_access(f);
	require(size == 1 || size == 2 || size == 4 || size == 8);
	if ((f->choice & 4) && (gpa.v & BIT(39)))
		return -EIO;
	memcpy(buf, memory(f, gpa, size), size);
	return 0;
}

static int mem_write(struct emu_ctx *ctx, gpa_t gpa, const void *buf, unsigned size)
{
	struct fuzz *f = (struct fuzz *)ctx;

	count_access(f);
	require(size == 1 || size == 2 || size == 4 || size == 8);
	memcpy(memory(f, gpa, size), buf, size);
	return 0;
}

static int mem_cas(struct emu_ctx *ctx, gpa_t gpa, const void *old, const void *new, unsigned size)
{
	struct fuzz *f = (struct fuzz *)ctx;
	u8 *p = memory(f, gpa, size);

	count_access(f);
	require(size >= 1 && size <= 16);
	if (f->choice & 8)
		return f->choice & 16 ? -EOPNOTSUPP : -EAGAIN;
	if (memcmp(p, old, size) != 0)
		return -EAGAIN;
	memcpy(p, new, size);
	return 0;
}

static int pio_in(struct emu_ctx *ctx, u16 port, unsigned size, u32 *value)
{
	count_access((struct fuzz *)ctx);
	require(size == 1 || size == 2 || size == 4);
	*value = port * 0x10001u;
	return 0;
}

static int pio_out(struct emu_ctx *ctx, u16 port __unused, unsigned size, u32 value __unused)
{
	count_access((struct fuzz *)ctx);
	require(size == 1 || size == 2 || size == 4);
	return 0;
}

static void get_segment(struct emu_ctx *ctx, enum emu_seg seg, struct emu_segment *out)
{
	require(seg < EMU_SEG_COUNT);
	*out = ((struct fuzz *)ctx)->seg[seg];
}

static void xmm_read(struct emu_ctx *ctx, unsigned reg, u8 value[16])
{
	require(reg < 16);
	memcpy(value, ((struct fuzz *)ctx)->xmm[reg], 16);
}

static void xmm_write(struct emu_ctx *ctx, unsigned reg, const u8 value[16])
{
	require(reg < 16);
	memcpy(((struct fuzz *)ctx)->xmm[reg], value, 16);
}

static const struct emu_ops emu_ops = { translate, mem_read,	mem_write, mem_cas,  pio_in,
					pio_out,   get_segment, xmm_read,  xmm_write };

static void take_mode(struct fuzz *f, struct input *in)
{
	static const enum emu_mode modes[] = { EMU_MODE_64, EMU_MODE_32, EMU_MODE_16, EMU_MODE_64 };
	u8 b = take_byte(in), p = take_byte(in);

	f->ctx.mode = modes[b & 3];
	f->mode.cr0 = 1 | (b & 4 ? BIT(31) : 0) | (b & 8 ? BIT(16) : 0);
	f->mode.efer = (b & 16 ? BIT(10) : 0) | (b & 32 ? BIT(11) : 0);
	f->mode.cr4 = (p & 1 ? BIT(4) : 0) | (p & 2 ? BIT(5) : 0) | (p & 4 ? BIT(12) : 0) |
		      (p & 8 ? BIT(20) : 0) | (p & 16 ? BIT(21) : 0);
	f->mode.cpl = p & 32 ? 3 : 0;
	f->mode.ac = p & 64;
	f->mode.no_1g = p & 128;
	f->mode.maxphyaddr = (u8)(32 + b % 21);
	f->mode.cr3 = (u64)take_byte(in) << 12;
	f->choice = take_byte(in);
}

static void take_segments(struct fuzz *f, struct input *in)
{
	for (unsigned i = 0; i < EMU_SEG_COUNT; i++) {
		u8 b = take_byte(in);

		f->seg[i] = (struct emu_segment){ 0, 0xffffffff, 0, b & 15 };
		if (b & 16)
			take(in, &f->seg[i].base, 8);
		if (b & 32)
			take(in, &f->seg[i].limit, 4);
	}
}

static void take_hint(struct fuzz *f, struct input *in)
{
	u8 b = take_byte(in);

	f->ctx.hint_valid = b & 1;
	f->ctx.hint_write = b & 2;
	f->ctx.fetch_faulted = b & 4;
	f->ctx.align_check = b & 8;
	f->ctx.va_bits = b & 16 ? 57 : 48;
	f->ctx.io_size = b >> 5;
	if (f->ctx.hint_valid)
		take(in, &f->ctx.hint_gpa.v, 6);
}

static void take_code(struct fuzz *f, struct input *in)
{
	memset(f->ctx.bytes, 0, sizeof(f->ctx.bytes));
	f->ctx.count = take_byte(in) & 31; /* more than 15 is cut by the emulator */
	take(in, f->ctx.bytes, MIN(f->ctx.count, sizeof(f->ctx.bytes)));
}

static void run_and_check(struct fuzz *f)
{
	struct guest_regs before = f->regs;
	u64 rip = f->ctx.rip, rflags = f->ctx.rflags;
	enum emu_result ret;

	f->accesses = 0;
	ret = emu_run(&f->ctx);
	require(ret <= EMU_UNHANDLED);
	require(ret == EMU_DONE || f->ctx.rip == rip);
	require(((f->ctx.rflags ^ rflags) & ~0x108d5ull) == 0); /* arithmetic flags and RF only */
	require(ret != EMU_UNHANDLED || f->ctx.why);
	/* Only strings may have changed registers without being done. */
	for (unsigned i = 0; i < REG_COUNT; i++) {
		bool string = i <= REG_RCX || i == REG_RSI || i == REG_RDI;

		require(ret == EMU_DONE || string || f->regs.r[i] == before.r[i]);
	}
}

/* What is left of the input, over and over: page tables and data. */
static void fill_ram(struct fuzz *f, struct input *in)
{
	size_t n = MIN(in->left, RAM_SIZE);

	memset(f->ram, 0, RAM_SIZE);
	for (size_t at = 0; n && at < RAM_SIZE; at += n)
		memcpy(f->ram + at, in->p, MIN(n, RAM_SIZE - at));
}

static void take_state(struct fuzz *f, struct input *in)
{
	take_mode(f, in);
	take_code(f, in);
	take_hint(f, in);
	take_segments(f, in);
	f->ctx.ops = &emu_ops;
	f->ctx.cache = &f->cache;
	f->ctx.regs = &f->regs;
	f->ctx.rip = take_byte(in);
	take(in, &f->ctx.rflags, 4);
	take(in, &f->regs, sizeof(f->regs));
	fill_ram(f, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz f; /* the cache lives on from input to input */
	struct input in = { data, size };
	struct emu_cache cache = f.cache;
	u8 *ram = f.ram ? f.ram : malloc(RAM_SIZE);

	require(ram);
	memset(&f, 0, sizeof(f));
	f.cache = cache;
	f.ram = ram;
	take_state(&f, &in);
	for (unsigned i = 0; i < 4; i++)
		run_and_check(&f);
	return 0;
}
