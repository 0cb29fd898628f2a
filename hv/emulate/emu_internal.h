/* What the emulator's files share. All functions that return enum emu_result stop the instruction
 * unless it is EMU_DONE. */
#ifndef NEAP_HV_EMULATE_EMU_INTERNAL_H
#define NEAP_HV_EMULATE_EMU_INTERNAL_H

#include "hv/emulate/emulate.h"

#define FLAG_CF	   BIT(0)
#define FLAG_PF	   BIT(2)
#define FLAG_AF	   BIT(4)
#define FLAG_ZF	   BIT(6)
#define FLAG_SF	   BIT(7)
#define FLAG_TF	   BIT(8)
#define FLAG_DF	   BIT(10)
#define FLAG_OF	   BIT(11)
#define FLAG_IOPL  (BIT(12) | BIT(13))
#define FLAG_RF	   BIT(16)
#define FLAG_VM	   BIT(17)
#define FLAG_ARITH (FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF)

/* Beside GVA_WRITE, for emu_mem_open(): #GP(0) unless the linear address is a multiple of 16. */
#define EMU_ALIGN_16 0x100u

/* Memory of one access, checked and translated. */
struct emu_mem {
	gpa_t gpa[2];	/* of its first byte, and of its part in a second page */
	unsigned size;	/* 1 to 16 */
	unsigned first; /* bytes in the first page */
};

/* A destination that is read and written: memory already opened, or a register. */
struct emu_target {
	const struct emu_insn *insn;
	const struct emu_operand *operand;
	struct emu_mem mem;
};

/* The bits of an operand of 1 to 8 bytes. */
static inline u64 emu_size_mask(unsigned size)
{
	return ~0ull >> (64 - 8 * size);
}

/* Effective address of the memory operand, cut to the address size. */
static inline u64 emu_effective_address(const struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 ea = insn->disp;

	if (insn->base == EMU_BASE_RIP)
		ea += ctx->next_rip;
	else if (insn->base != EMU_NO_REG)
		ea += ctx->regs->r[insn->base];
	if (insn->index != EMU_NO_REG)
		ea += ctx->regs->r[insn->index] << insn->scale_shift;
	return ea & emu_size_mask(insn->addr_size);
}

/* 4 bytes clear the upper half of the register, 1 and 2 keep the rest of it. */
static inline void emu_reg_write(struct emu_ctx *ctx, unsigned reg, unsigned size, u64 value)
{
	u64 *r = &ctx->regs->r[reg];
	u64 mask = emu_size_mask(size);

	if (size >= 4)
		*r = value & mask;
	else
		*r = (*r & ~mask) | (value & mask);
}

/* Gives up; `why` is a constant, for the report. */
static inline enum emu_result emu_unhandled(struct emu_ctx *ctx, const char *why)
{
	ctx->why = why;
	return EMU_UNHANDLED;
}

/*
 * emu_decode.c: decodes ctx->bytes. EMU_DONE: *insn is set, with EMU_OP_NONE for an instruction
 * that is valid but not ours; otherwise what to return.
 */
enum emu_result emu_decode(struct emu_ctx *ctx, struct emu_insn *insn) __must_check;

/* emu_mem.c */

/* #UD, #GP(0) and the like: fills in ctx->fault. */
enum emu_result emu_fault(struct emu_ctx *ctx, enum guest_vector vector) __must_check;
const struct emu_segment *emu_segment(struct emu_ctx *ctx, enum emu_seg seg);
/* Checks and translates `size` bytes at seg:ea. access: 0, GVA_WRITE, EMU_ALIGN_16. */
enum emu_result emu_mem_open(struct emu_ctx *ctx, enum emu_seg seg, u64 ea, unsigned size,
			     unsigned access, struct emu_mem *mem) __must_check;
enum emu_result emu_mem_read(struct emu_ctx *ctx, const struct emu_mem *mem,
			     void *buf) __must_check;
enum emu_result emu_mem_write(struct emu_ctx *ctx, const struct emu_mem *mem,
			      const void *buf) __must_check;
/* As one atomic operation if it is RAM; *retry is set when memory was not `old`. */
enum emu_result emu_mem_cas(struct emu_ctx *ctx, const struct emu_mem *mem, const void *old,
			    const void *new, bool *retry) __must_check;

/* emu_operand.c */

/* An operand is a register, a constant, or memory at the instruction's effective address, or at
 * `ea`. A target is one that is read and then written: opening it finds faults before anything is
 * changed. What is not EMU_DONE is passed on. */
u64 emu_reg_read(const struct emu_ctx *ctx, unsigned reg, unsigned size);
void emu_operand_set_reg(struct emu_ctx *ctx, const struct emu_operand *o, u64 value);
enum emu_result emu_operand_read(struct emu_ctx *ctx, const struct emu_insn *insn,
				 const struct emu_operand *o, u64 *value) __must_check;
enum emu_result emu_operand_write(struct emu_ctx *ctx, const struct emu_insn *insn,
				  const struct emu_operand *o, u64 value) __must_check;
enum emu_result emu_target_open(struct emu_ctx *ctx, const struct emu_insn *insn,
				const struct emu_operand *o, u64 ea, unsigned access,
				struct emu_target *t) __must_check;
enum emu_result emu_target_read(struct emu_ctx *ctx, const struct emu_target *t,
				u64 *value) __must_check;

/* Computes what replaces `old`; may change *flags. */
typedef u64 (*emu_rmw_fn)(const struct emu_ctx *ctx, const struct emu_insn *insn, u64 old, u64 src,
			  u64 *flags);

struct emu_rmw {
	u64 old, new;
};

/*
 * Reads the target, applies fn, writes it back, atomically if the instruction is locked; then sets
 * the flags. The target is open for writing.
 */
enum emu_result emu_target_modify(struct emu_ctx *ctx, const struct emu_target *t, emu_rmw_fn fn,
				  u64 src, struct emu_rmw *done) __must_check;

/* emu_alu.c: pure arithmetic. Operands and results are cut to size; *flags is updated. */

u64 emu_alu_binary(enum emu_op op, u64 a, u64 b, unsigned size, u64 *flags);
u64 emu_alu_unary(enum emu_op op, u64 a, unsigned size, u64 *flags);
u64 emu_alu_shift(enum emu_op op, u64 a, unsigned count, unsigned size, u64 *flags);
bool emu_condition(unsigned cond, u64 flags);

/* The instructions, by what they have in common. */
enum emu_result emu_exec_mov(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_movsx(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_movbe(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_cmov(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_setcc(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_xchg(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_xadd(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_cmpxchg(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_cmpxchg_pair(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_binary(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_unary(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_shift(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_bit(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_push(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_pushf(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_pop(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_call(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_jmp(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_ret(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_string(struct emu_ctx *ctx, const struct emu_insn *insn);
enum emu_result emu_exec_sse(struct emu_ctx *ctx, const struct emu_insn *insn);

#endif
