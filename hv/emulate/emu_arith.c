/* Instructions that compute: two operands, one operand, shifts, bits. */
#include "hv/emulate/emu_internal.h"

static u64 modify_binary(const struct emu_ctx *ctx __unused, const struct emu_insn *insn, u64 old,
			 u64 src, u64 *flags)
{
	return emu_alu_binary(insn->op, old, src, insn->dst.size, flags);
}

static u64 modify_unary(const struct emu_ctx *ctx __unused, const struct emu_insn *insn, u64 old,
			u64 src __unused, u64 *flags)
{
	return emu_alu_unary(insn->op, old, insn->dst.size, flags);
}

static u64 modify_shift(const struct emu_ctx *ctx __unused, const struct emu_insn *insn, u64 old,
			u64 src, u64 *flags)
{
	return emu_alu_shift(insn->op, old, (unsigned)src, insn->dst.size, flags);
}

/* src is the bit's number in the operand. */
static u64 modify_bit(const struct emu_ctx *ctx __unused, const struct emu_insn *insn, u64 old,
		      u64 src, u64 *flags)
{
	u64 bit = BIT(src);

	*flags = (*flags & ~FLAG_CF) | (old & bit ? FLAG_CF : 0);
	switch (insn->op) {
	case EMU_OP_BTS:
		return old | bit;
	case EMU_OP_BTR:
		return old & ~bit;
	case EMU_OP_BTC:
		return old ^ bit;
	default:
		return old;
	}
}

/* CMP, TEST and BT only look. */
static bool only_reads(const struct emu_insn *insn)
{
	return insn->op == EMU_OP_CMP || insn->op == EMU_OP_TEST || insn->op == EMU_OP_BT;
}

/* Opens dst at ea, applies fn to it and src. */
static enum emu_result modify_dst(struct emu_ctx *ctx, const struct emu_insn *insn, u64 ea,
				  emu_rmw_fn fn, u64 src)
{
	bool look = only_reads(insn);
	struct emu_rmw rmw;
	struct emu_target t;
	enum emu_result ret;

	ret = emu_target_open(ctx, insn, &insn->dst, ea, look ? 0 : GVA_WRITE, &t);
	if (ret != EMU_DONE)
		return ret;
	if (!look)
		return emu_target_modify(ctx, &t, fn, src, &rmw);
	ret = emu_target_read(ctx, &t, &rmw.old);
	if (ret == EMU_DONE)
		fn(ctx, insn, rmw.old, src, &ctx->rflags);
	return ret;
}

static enum emu_result exec_modify(struct emu_ctx *ctx, const struct emu_insn *insn, emu_rmw_fn fn)
{
	enum emu_result ret;
	u64 src = 0;

	if (insn->src.kind != EMU_KIND_NONE) {
		ret = emu_operand_read(ctx, insn, &insn->src, &src);
		if (ret != EMU_DONE)
			return ret;
	}
	return modify_dst(ctx, insn, emu_effective_address(ctx, insn), fn, src);
}

enum emu_result emu_exec_binary(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return exec_modify(ctx, insn, modify_binary);
}

enum emu_result emu_exec_unary(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return exec_modify(ctx, insn, modify_unary);
}

enum emu_result emu_exec_shift(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return exec_modify(ctx, insn, modify_shift);
}

/*
 * A bit number in a register may lie anywhere around a memory operand: the signed number selects
 * first the word, then the bit in it. An immediate stays within the operand (SDM vol. 2, BT).
 */
enum emu_result emu_exec_bit(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	unsigned size = insn->dst.size, bits = 8 * size, up = 64 - bits;
	u64 ea = emu_effective_address(ctx, insn);
	u64 number;
	int64_t word;
	enum emu_result ret = emu_operand_read(ctx, insn, &insn->src, &number);

	if (ret != EMU_DONE)
		return ret;
	if (insn->src.kind == EMU_KIND_REG && insn->dst.kind == EMU_KIND_MEM) {
		word = ((int64_t)(number << up) >> up) & ~(int64_t)(bits - 1);
		ea = (ea + (u64)(word >> 3)) & emu_size_mask(insn->addr_size);
	}
	return modify_dst(ctx, insn, ea, modify_bit, number & (bits - 1));
}
