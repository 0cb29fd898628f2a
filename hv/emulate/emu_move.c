/* Instructions that move data between registers and memory, or exchange it. */
#include "hv/emulate/emu_internal.h"

#include <string.h>

enum emu_result emu_exec_mov(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	enum emu_result ret;
	u64 value;

	ret = emu_operand_read(ctx, insn, &insn->src, &value);
	return ret == EMU_DONE ? emu_operand_write(ctx, insn, &insn->dst, value) : ret;
}

enum emu_result emu_exec_movsx(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	unsigned up = 64 - 8 * insn->src.size;
	enum emu_result ret;
	u64 value;

	ret = emu_operand_read(ctx, insn, &insn->src, &value);
	if (ret == EMU_DONE)
		emu_operand_set_reg(ctx, &insn->dst, (u64)((int64_t)(value << up) >> up));
	return ret;
}

enum emu_result emu_exec_movbe(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	enum emu_result ret;
	u64 value;

	ret = emu_operand_read(ctx, insn, &insn->src, &value);
	if (ret != EMU_DONE)
		return ret;
	value = __builtin_bswap64(value) >> (64 - 8 * insn->src.size);
	return emu_operand_write(ctx, insn, &insn->dst, value);
}

/* Memory is read, and a 32-bit register cut to 32 bits, whatever the condition. */
enum emu_result emu_exec_cmov(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	enum emu_result ret;
	u64 value;

	ret = emu_operand_read(ctx, insn, &insn->src, &value);
	if (ret != EMU_DONE)
		return ret;
	if (!emu_condition(insn->cond, ctx->rflags))
		value = emu_reg_read(ctx, insn->dst.reg, insn->dst.size);
	emu_operand_set_reg(ctx, &insn->dst, value);
	return EMU_DONE;
}

enum emu_result emu_exec_setcc(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return emu_operand_write(ctx, insn, &insn->dst, emu_condition(insn->cond, ctx->rflags));
}

static u64 modify_exchange(const struct emu_ctx *ctx __unused, const struct emu_insn *insn __unused,
			   u64 old __unused, u64 src, u64 *flags __unused)
{
	return src;
}

static u64 modify_add(const struct emu_ctx *ctx __unused, const struct emu_insn *insn, u64 old,
		      u64 src, u64 *flags)
{
	return emu_alu_binary(EMU_OP_ADD, old, src, insn->dst.size, flags);
}

/* XCHG and XADD: dst is replaced by fn of both, src (a register) gets what dst was. */
static enum emu_result exchange(struct emu_ctx *ctx, const struct emu_insn *insn, emu_rmw_fn fn)
{
	struct emu_rmw rmw;
	struct emu_target t;
	enum emu_result ret;
	u64 src;

	ret = emu_target_open(ctx, insn, &insn->dst, emu_effective_address(ctx, insn), GVA_WRITE,
			      &t);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_operand_read(ctx, insn, &insn->src, &src);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_target_modify(ctx, &t, fn, src, &rmw);
	if (ret != EMU_DONE)
		return ret;
	emu_operand_set_reg(ctx, &insn->src, rmw.old);
	if (insn->dst.kind != EMU_KIND_MEM) /* both may be one register: the sum stays */
		emu_operand_set_reg(ctx, &insn->dst, rmw.new);
	return EMU_DONE;
}

enum emu_result emu_exec_xchg(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return exchange(ctx, insn, modify_exchange);
}

enum emu_result emu_exec_xadd(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return exchange(ctx, insn, modify_add);
}

/* The processor writes in any case: what was there, if it differs (SDM vol. 2, CMPXCHG). */
static u64 modify_compare(const struct emu_ctx *ctx, const struct emu_insn *insn, u64 old, u64 src,
			  u64 *flags)
{
	unsigned size = insn->dst.size;

	emu_alu_binary(EMU_OP_CMP, emu_reg_read(ctx, REG_RAX, size), old, size, flags);
	return *flags & FLAG_ZF ? src : old;
}

enum emu_result emu_exec_cmpxchg(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_rmw rmw;
	struct emu_target t;
	enum emu_result ret;
	u64 src;

	ret = emu_target_open(ctx, insn, &insn->dst, emu_effective_address(ctx, insn), GVA_WRITE,
			      &t);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_operand_read(ctx, insn, &insn->src, &src);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_target_modify(ctx, &t, modify_compare, src, &rmw);
	if (ret == EMU_DONE && !(ctx->rflags & FLAG_ZF))
		emu_reg_write(ctx, REG_RAX, insn->dst.size, rmw.old);
	return ret;
}

/* A value of two registers, low half first. */
static void pair_read(const struct emu_ctx *ctx, unsigned low, unsigned high, unsigned half,
		      u8 value[16])
{
	memcpy(value, &ctx->regs->r[low], half);
	memcpy(value + half, &ctx->regs->r[high], half);
}

static void pair_finish(struct emu_ctx *ctx, bool equal, const u8 *old, unsigned half)
{
	u64 low = 0, high = 0;

	if (equal) {
		ctx->rflags |= FLAG_ZF;
		return;
	}
	ctx->rflags &= ~FLAG_ZF;
	memcpy(&low, old, half);
	memcpy(&high, old + half, half);
	emu_reg_write(ctx, REG_RAX, half, low);
	emu_reg_write(ctx, REG_RDX, half, high);
}

enum emu_result emu_exec_cmpxchg_pair(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	unsigned size = insn->dst.size, half = size / 2;
	u8 want[16], new[16], old[16];
	struct emu_mem mem;
	enum emu_result ret;

	ret = emu_mem_open(ctx, insn->seg, emu_effective_address(ctx, insn), size,
			   GVA_WRITE | (size == 16 ? EMU_ALIGN_16 : 0), &mem);
	pair_read(ctx, REG_RAX, REG_RDX, half, want);
	pair_read(ctx, REG_RBX, REG_RCX, half, new);
	for (unsigned i = 0; i < EMU_CAS_TRIES && ret == EMU_DONE; i++) {
		bool retry, equal;

		ret = emu_mem_read(ctx, &mem, old);
		if (ret != EMU_DONE)
			return ret;
		equal = memcmp(old, want, size) == 0;
		ret = emu_mem_cas(ctx, &mem, old, equal ? new : old, &retry);
		if (ret == EMU_DONE && !retry) {
			pair_finish(ctx, equal, old, half);
			return EMU_DONE;
		}
	}
	return ret == EMU_DONE ? EMU_AGAIN : ret;
}
