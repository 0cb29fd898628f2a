/* String instructions, and their repetition in bounded portions. */
#include "hv/emulate/emu_internal.h"

/* RSI and RDI move by one element, down with DF. */
static void advance(struct emu_ctx *ctx, const struct emu_insn *insn, unsigned reg)
{
	u64 step = ctx->rflags & FLAG_DF ? -(u64)insn->size : insn->size;

	emu_reg_write(ctx, reg, insn->addr_size, ctx->regs->r[reg] + step);
}

/* The source is at seg:rSI, and seg may be overridden. */
static enum emu_result open_source(struct emu_ctx *ctx, const struct emu_insn *insn,
				   struct emu_mem *mem)
{
	return emu_mem_open(ctx, insn->seg, emu_reg_read(ctx, REG_RSI, insn->addr_size), insn->size,
			    0, mem);
}

/* The destination is always at ES:rDI. */
static enum emu_result open_dest(struct emu_ctx *ctx, const struct emu_insn *insn, unsigned access,
				 struct emu_mem *mem)
{
	return emu_mem_open(ctx, EMU_SEG_ES, emu_reg_read(ctx, REG_RDI, insn->addr_size),
			    insn->size, access, mem);
}

/* Both sides are opened before the source is read, which a device may not take twice. */
static enum emu_result movs(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem from, to;
	enum emu_result ret;
	u64 value = 0;

	ret = open_source(ctx, insn, &from);
	if (ret == EMU_DONE)
		ret = open_dest(ctx, insn, GVA_WRITE, &to);
	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &from, &value);
	if (ret == EMU_DONE)
		ret = emu_mem_write(ctx, &to, &value);
	if (ret != EMU_DONE)
		return ret;
	advance(ctx, insn, REG_RSI);
	advance(ctx, insn, REG_RDI);
	return EMU_DONE;
}

static enum emu_result stos(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem to;
	enum emu_result ret = open_dest(ctx, insn, GVA_WRITE, &to);

	if (ret == EMU_DONE)
		ret = emu_mem_write(ctx, &to, &ctx->regs->r[REG_RAX]);
	if (ret == EMU_DONE)
		advance(ctx, insn, REG_RDI);
	return ret;
}

static enum emu_result lods(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem from;
	enum emu_result ret = open_source(ctx, insn, &from);
	u64 value = 0;

	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &from, &value);
	if (ret != EMU_DONE)
		return ret;
	emu_reg_write(ctx, REG_RAX, insn->size, value);
	advance(ctx, insn, REG_RSI);
	return EMU_DONE;
}

static enum emu_result cmps(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem left, right;
	enum emu_result ret;
	u64 a = 0, b = 0;

	ret = open_source(ctx, insn, &left);
	if (ret == EMU_DONE)
		ret = open_dest(ctx, insn, 0, &right);
	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &left, &a);
	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &right, &b);
	if (ret != EMU_DONE)
		return ret;
	emu_alu_binary(EMU_OP_CMP, a, b, insn->size, &ctx->rflags);
	advance(ctx, insn, REG_RSI);
	advance(ctx, insn, REG_RDI);
	return EMU_DONE;
}

static enum emu_result scas(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem mem;
	enum emu_result ret = open_dest(ctx, insn, 0, &mem);
	u64 value = 0;

	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &mem, &value);
	if (ret != EMU_DONE)
		return ret;
	emu_alu_binary(EMU_OP_CMP, emu_reg_read(ctx, REG_RAX, insn->size), value, insn->size,
		       &ctx->rflags);
	advance(ctx, insn, REG_RDI);
	return EMU_DONE;
}

static enum emu_result ins(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem to;
	enum emu_result ret = open_dest(ctx, insn, GVA_WRITE, &to);
	u32 value = 0;

	if (ret != EMU_DONE)
		return ret;
	if (ctx->ops->pio_in(ctx, (u16)ctx->regs->r[REG_RDX], insn->size, &value) != 0)
		return emu_unhandled(ctx, "a port cannot be read");
	ret = emu_mem_write(ctx, &to, &value);
	if (ret == EMU_DONE)
		advance(ctx, insn, REG_RDI);
	return ret;
}

static enum emu_result outs(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_mem from;
	enum emu_result ret = open_source(ctx, insn, &from);
	u32 value = 0;

	if (ret == EMU_DONE)
		ret = emu_mem_read(ctx, &from, &value);
	if (ret != EMU_DONE)
		return ret;
	if (ctx->ops->pio_out(ctx, (u16)ctx->regs->r[REG_RDX], insn->size, value) != 0)
		return emu_unhandled(ctx, "a port cannot be written");
	advance(ctx, insn, REG_RSI);
	return EMU_DONE;
}

static enum emu_result one_element(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	switch (insn->op) {
	case EMU_OP_MOVS:
		return movs(ctx, insn);
	case EMU_OP_STOS:
		return stos(ctx, insn);
	case EMU_OP_LODS:
		return lods(ctx, insn);
	case EMU_OP_CMPS:
		return cmps(ctx, insn);
	case EMU_OP_SCAS:
		return scas(ctx, insn);
	case EMU_OP_INS:
		return ins(ctx, insn);
	default: /* OUTS */
		return outs(ctx, insn);
	}
}

/* REPE ends on a difference, REPNE on a match. */
static bool comparison_ends(const struct emu_ctx *ctx, const struct emu_insn *insn)
{
	bool equal = ctx->rflags & FLAG_ZF;

	if (insn->op != EMU_OP_CMPS && insn->op != EMU_OP_SCAS)
		return false;
	return insn->flags & EMU_INSN_REPNE ? equal : !equal;
}

/*
 * Between iterations RF is set, for what is pushed then (SDM vol. 3 18.3.1.1), and so that a
 * breakpoint on the instruction is not met again.
 */
static enum emu_result partly_done(struct emu_ctx *ctx)
{
	ctx->rflags |= FLAG_RF;
	return EMU_PART;
}

/* The registers are right after each element, so that a fault, or the bound, may stop it there. */
static enum emu_result repeat(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 left = emu_reg_read(ctx, REG_RCX, insn->addr_size);
	unsigned most = ctx->rflags & FLAG_TF ? 1 : EMU_REP_MAX;

	if (left == 0)
		return EMU_DONE;
	for (unsigned i = 0; i < most; i++) {
		enum emu_result ret = one_element(ctx, insn);

		if (ret == EMU_AGAIN && i != 0)
			return partly_done(ctx);
		if (ret != EMU_DONE)
			return ret;
		emu_reg_write(ctx, REG_RCX, insn->addr_size, --left);
		if (left == 0 || comparison_ends(ctx, insn))
			return EMU_DONE;
	}
	return partly_done(ctx);
}

enum emu_result emu_exec_string(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	bool port = insn->op == EMU_OP_INS || insn->op == EMU_OP_OUTS;

	/* The I/O permissions were checked for another instruction than this. */
	if (port && ctx->io_size != insn->size)
		return EMU_AGAIN;
	if (insn->flags & (EMU_INSN_REP | EMU_INSN_REPNE))
		return repeat(ctx, insn);
	return one_element(ctx, insn);
}
