/* Loads and stores of XMM registers (legacy SSE encodings). */
#include "hv/emulate/emu_internal.h"

#include <string.h>

/* Where in the register the operand's bytes are. */
static unsigned part_offset(const struct emu_insn *insn)
{
	return insn->op == EMU_OP_SSE_HIGH ? 8 : 0;
}

static enum emu_result memory_open(struct emu_ctx *ctx, const struct emu_insn *insn,
				   const struct emu_operand *o, unsigned access,
				   struct emu_mem *mem)
{
	if (insn->flags & EMU_INSN_ALIGNED)
		access |= EMU_ALIGN_16;
	return emu_mem_open(ctx, insn->seg, emu_effective_address(ctx, insn), o->size, access, mem);
}

/* The source's bytes; those above its size stay as they are. */
static enum emu_result source_read(struct emu_ctx *ctx, const struct emu_insn *insn, u8 *bytes)
{
	const struct emu_operand *o = &insn->src;
	struct emu_mem mem;
	enum emu_result ret;

	if (o->kind == EMU_KIND_REG) {
		memcpy(bytes, &ctx->regs->r[o->reg], o->size);
		return EMU_DONE;
	}
	ret = memory_open(ctx, insn, o, 0, &mem);
	return ret == EMU_DONE ? emu_mem_read(ctx, &mem, bytes) : ret;
}

static enum emu_result load(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u8 value[16] = { 0 };
	enum emu_result ret;

	if (insn->op != EMU_OP_SSE_MOV)
		ctx->ops->xmm_read(ctx, insn->dst.reg, value);
	ret = source_read(ctx, insn, value + part_offset(insn));
	if (ret == EMU_DONE)
		ctx->ops->xmm_write(ctx, insn->dst.reg, value);
	return ret;
}

static enum emu_result store(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	const struct emu_operand *o = &insn->dst;
	struct emu_mem mem;
	enum emu_result ret;
	u64 low;
	u8 value[16];

	ctx->ops->xmm_read(ctx, insn->src.reg, value);
	if (o->kind == EMU_KIND_REG) {
		memcpy(&low, value, sizeof(low));
		emu_reg_write(ctx, o->reg, o->size, low);
		return EMU_DONE;
	}
	ret = memory_open(ctx, insn, o, GVA_WRITE, &mem);
	return ret == EMU_DONE ? emu_mem_write(ctx, &mem, value + part_offset(insn)) : ret;
}

enum emu_result emu_exec_sse(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return insn->dst.kind == EMU_KIND_XMM ? load(ctx, insn) : store(ctx, insn);
}
