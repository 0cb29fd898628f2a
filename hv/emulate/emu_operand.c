/* Operands: registers in all their widths, immediates, and memory to be read, written or both. */
#include "hv/emulate/emu_internal.h"

u64 emu_reg_read(const struct emu_ctx *ctx, unsigned reg, unsigned size)
{
	return ctx->regs->r[reg] & emu_size_mask(size);
}

void emu_operand_set_reg(struct emu_ctx *ctx, const struct emu_operand *o, u64 value)
{
	u64 *r;

	if (likely(o->kind == EMU_KIND_REG)) {
		emu_reg_write(ctx, o->reg, o->size, value);
		return;
	}
	r = &ctx->regs->r[o->reg];
	*r = (*r & ~0xff00ull) | (value & 0xff) << 8;
}

/* The value of what is not memory. */
static u64 plain_value(struct emu_ctx *ctx, const struct emu_insn *insn,
		       const struct emu_operand *o)
{
	switch (o->kind) {
	case EMU_KIND_REG:
		return emu_reg_read(ctx, o->reg, o->size);
	case EMU_KIND_HIGH_BYTE:
		return ctx->regs->r[o->reg] >> 8 & 0xff;
	case EMU_KIND_SREG:
		return emu_segment(ctx, o->reg)->selector;
	default:
		return insn->imm & emu_size_mask(o->size);
	}
}

enum emu_result emu_operand_read(struct emu_ctx *ctx, const struct emu_insn *insn,
				 const struct emu_operand *o, u64 *value)
{
	enum emu_result ret;
	struct emu_mem mem;

	if (o->kind != EMU_KIND_MEM) {
		*value = plain_value(ctx, insn, o);
		return EMU_DONE;
	}
	*value = 0;
	ret = emu_mem_open(ctx, insn->seg, emu_effective_address(ctx, insn), o->size, 0, &mem);
	return ret == EMU_DONE ? emu_mem_read(ctx, &mem, value) : ret;
}

enum emu_result emu_operand_write(struct emu_ctx *ctx, const struct emu_insn *insn,
				  const struct emu_operand *o, u64 value)
{
	enum emu_result ret;
	struct emu_mem mem;

	if (o->kind != EMU_KIND_MEM) {
		emu_operand_set_reg(ctx, o, value);
		return EMU_DONE;
	}
	ret = emu_mem_open(ctx, insn->seg, emu_effective_address(ctx, insn), o->size, GVA_WRITE,
			   &mem);
	return ret == EMU_DONE ? emu_mem_write(ctx, &mem, &value) : ret;
}

enum emu_result emu_target_open(struct emu_ctx *ctx, const struct emu_insn *insn,
				const struct emu_operand *o, u64 ea, unsigned access,
				struct emu_target *t)
{
	t->insn = insn;
	t->operand = o;
	if (o->kind != EMU_KIND_MEM)
		return EMU_DONE;
	return emu_mem_open(ctx, insn->seg, ea, o->size, access, &t->mem);
}

enum emu_result emu_target_read(struct emu_ctx *ctx, const struct emu_target *t, u64 *value)
{
	*value = 0;
	if (t->operand->kind == EMU_KIND_MEM)
		return emu_mem_read(ctx, &t->mem, value);
	*value = plain_value(ctx, t->insn, t->operand);
	return EMU_DONE;
}

static enum emu_result target_replace(struct emu_ctx *ctx, const struct emu_target *t,
				      const struct emu_rmw *rmw, bool *retry)
{
	*retry = false;
	if (t->operand->kind != EMU_KIND_MEM) {
		emu_operand_set_reg(ctx, t->operand, rmw->new);
		return EMU_DONE;
	}
	if (t->insn->flags & EMU_INSN_LOCK)
		return emu_mem_cas(ctx, &t->mem, &rmw->old, &rmw->new, retry);
	return emu_mem_write(ctx, &t->mem, &rmw->new);
}

enum emu_result emu_target_modify(struct emu_ctx *ctx, const struct emu_target *t, emu_rmw_fn fn,
				  u64 src, struct emu_rmw *done)
{
	for (unsigned i = 0; i < EMU_CAS_TRIES; i++) {
		u64 flags = ctx->rflags;
		bool retry;
		enum emu_result ret = emu_target_read(ctx, t, &done->old);

		if (ret != EMU_DONE)
			return ret;
		done->new = fn(ctx, t->insn, done->old, src, &flags);
		ret = target_replace(ctx, t, done, &retry);
		if (ret != EMU_DONE)
			return ret;
		if (!retry) {
			ctx->rflags = flags;
			return EMU_DONE;
		}
	}
	return EMU_AGAIN;
}
