/* Instructions on the stack, and near branches through memory. */
#include "hv/emulate/emu_internal.h"

/* Bytes of the stack pointer that count: SS.B outside 64-bit code (SDM vol. 1 6.2.3). */
static unsigned stack_width(struct emu_ctx *ctx)
{
	if (ctx->mode == EMU_MODE_64)
		return 8;
	return emu_segment(ctx, EMU_SEG_SS)->flags & EMU_SEG_BIG ? 4 : 2;
}

static enum emu_result stack_open(struct emu_ctx *ctx, u64 offset, unsigned size, unsigned access,
				  struct emu_mem *mem)
{
	u64 sp = (ctx->regs->r[REG_RSP] + offset) & emu_size_mask(stack_width(ctx));

	return emu_mem_open(ctx, EMU_SEG_SS, sp, size, access, mem);
}

static void stack_move(struct emu_ctx *ctx, u64 offset)
{
	emu_reg_write(ctx, REG_RSP, stack_width(ctx), ctx->regs->r[REG_RSP] + offset);
}

/* Where a near branch goes is checked before anything is changed. */
static enum emu_result branch_check(struct emu_ctx *ctx, u64 target)
{
	bool ok;

	if (ctx->mode == EMU_MODE_64)
		ok = gva_is_canonical(target, ctx->va_bits);
	else
		ok = target <= emu_segment(ctx, EMU_SEG_CS)->limit;
	return ok ? EMU_DONE : emu_fault(ctx, GUEST_GP);
}

static enum emu_result branch_target(struct emu_ctx *ctx, const struct emu_insn *insn, u64 *target)
{
	enum emu_result ret = emu_operand_read(ctx, insn, &insn->dst, target);

	if (ret != EMU_DONE)
		return ret;
	if (insn->flags & EMU_INSN_REL)
		*target = (ctx->next_rip + insn->imm) & emu_size_mask(insn->size);
	return branch_check(ctx, *target);
}

/* mem is where the stack goes to when it moves by `down`. */
static enum emu_result push_value(struct emu_ctx *ctx, const struct emu_mem *mem, u64 down,
				  u64 value)
{
	enum emu_result ret = emu_mem_write(ctx, mem, &value);

	if (ret == EMU_DONE)
		stack_move(ctx, down);
	return ret;
}

/* Both places are opened before the first access, which a device may not take twice. */
enum emu_result emu_exec_push(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 down = -(u64)insn->size, value;
	struct emu_target t;
	struct emu_mem mem;
	enum emu_result ret;

	ret = emu_target_open(ctx, insn, &insn->dst, emu_effective_address(ctx, insn), 0, &t);
	if (ret != EMU_DONE)
		return ret;
	ret = stack_open(ctx, down, insn->size, GVA_WRITE, &mem);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_target_read(ctx, &t, &value);
	if (ret != EMU_DONE)
		return ret;
	return push_value(ctx, &mem, down, value);
}

/* VM and RF are not in the image (SDM vol. 2, PUSHF); VM86 code needs IOPL 3. */
enum emu_result emu_exec_pushf(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 down = -(u64)insn->size, value = ctx->rflags & ~(FLAG_VM | FLAG_RF);
	struct emu_mem mem;
	enum emu_result ret;

	if ((ctx->rflags & FLAG_VM) && (ctx->rflags & FLAG_IOPL) != FLAG_IOPL)
		return emu_fault(ctx, GUEST_GP);
	ret = stack_open(ctx, down, insn->size, GVA_WRITE, &mem);
	if (ret != EMU_DONE)
		return ret;
	return push_value(ctx, &mem, down, value);
}

/* An address on RSP is that of RSP after the pop (SDM vol. 2, POP). */
static u64 pop_address(const struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 ea = emu_effective_address(ctx, insn);

	if (insn->base == REG_RSP)
		ea += insn->size;
	return ea & emu_size_mask(insn->addr_size);
}

enum emu_result emu_exec_pop(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	struct emu_target t;
	struct emu_mem mem;
	enum emu_result ret;
	u64 value = 0;

	ret = stack_open(ctx, 0, insn->size, 0, &mem);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_target_open(ctx, insn, &insn->dst, pop_address(ctx, insn), GVA_WRITE, &t);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_mem_read(ctx, &mem, &value);
	if (ret == EMU_DONE && insn->dst.kind == EMU_KIND_MEM)
		ret = emu_mem_write(ctx, &t.mem, &value);
	if (ret != EMU_DONE)
		return ret;
	stack_move(ctx, insn->size);
	if (insn->dst.kind != EMU_KIND_MEM) /* POP RSP keeps what was popped */
		emu_operand_set_reg(ctx, &insn->dst, value);
	return EMU_DONE;
}

enum emu_result emu_exec_jmp(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 target;
	enum emu_result ret = branch_target(ctx, insn, &target);

	if (ret == EMU_DONE)
		ctx->next_rip = target;
	return ret;
}

enum emu_result emu_exec_call(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 down = -(u64)insn->size, target;
	struct emu_mem mem;
	enum emu_result ret;

	ret = branch_target(ctx, insn, &target);
	if (ret != EMU_DONE)
		return ret;
	ret = stack_open(ctx, down, insn->size, GVA_WRITE, &mem);
	if (ret != EMU_DONE)
		return ret;
	ret = push_value(ctx, &mem, down, ctx->next_rip);
	if (ret == EMU_DONE)
		ctx->next_rip = target;
	return ret;
}

/* imm: bytes of arguments to drop. */
enum emu_result emu_exec_ret(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 target = 0;
	struct emu_mem mem;
	enum emu_result ret;

	ret = stack_open(ctx, 0, insn->size, 0, &mem);
	if (ret != EMU_DONE)
		return ret;
	ret = emu_mem_read(ctx, &mem, &target);
	if (ret != EMU_DONE)
		return ret;
	ret = branch_check(ctx, target);
	if (ret != EMU_DONE)
		return ret;
	stack_move(ctx, insn->size + insn->imm);
	ctx->next_rip = target;
	return EMU_DONE;
}
