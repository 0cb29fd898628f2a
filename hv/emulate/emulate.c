/* Running one instruction: the decode cache, the table of instructions, and what ends them. */
#include "hv/emulate/emu_internal.h"

_Static_assert(EMU_MAX_BYTES < 16, "the cache has the mode in the sixteenth byte");
_Static_assert(EMU_REP_MAX >= 1, "a REP makes progress");
_Static_assert(EMU_CAS_TRIES >= 1, "a locked operation is tried");
_Static_assert(EMU_MAX_BYTES < sizeof(((struct emu_ctx *)0)->bytes), "bytes fit the words");

typedef enum emu_result (*emu_exec_fn)(struct emu_ctx *ctx, const struct emu_insn *insn);

static enum emu_result exec_unsupported(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	(void)insn;
	return emu_unhandled(ctx, "the instruction is not supported");
}

static enum emu_result exec_smsw(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	return emu_operand_write(ctx, insn, &insn->dst, ctx->cr0);
}

static const emu_exec_fn exec_table[EMU_OP_COUNT] = {
	[EMU_OP_NONE] = exec_unsupported, /* only inspected, as the last three */
	[EMU_OP_MOV] = emu_exec_mov,
	[EMU_OP_MOVZX] = emu_exec_mov, /* reads are zero-extended */
	[EMU_OP_MOVSX] = emu_exec_movsx,
	[EMU_OP_MOVBE] = emu_exec_movbe,
	[EMU_OP_XCHG] = emu_exec_xchg,
	[EMU_OP_XADD] = emu_exec_xadd,
	[EMU_OP_CMPXCHG] = emu_exec_cmpxchg,
	[EMU_OP_CMPXCHG_PAIR] = emu_exec_cmpxchg_pair,
	[EMU_OP_CMOVCC] = emu_exec_cmov,
	[EMU_OP_SETCC] = emu_exec_setcc,
	[EMU_OP_ADD] = emu_exec_binary,
	[EMU_OP_OR] = emu_exec_binary,
	[EMU_OP_ADC] = emu_exec_binary,
	[EMU_OP_SBB] = emu_exec_binary,
	[EMU_OP_AND] = emu_exec_binary,
	[EMU_OP_SUB] = emu_exec_binary,
	[EMU_OP_XOR] = emu_exec_binary,
	[EMU_OP_CMP] = emu_exec_binary,
	[EMU_OP_IMUL] = emu_exec_binary,
	[EMU_OP_TEST] = emu_exec_binary,
	[EMU_OP_SHL] = emu_exec_shift,
	[EMU_OP_SHR] = emu_exec_shift,
	[EMU_OP_SAR] = emu_exec_shift,
	[EMU_OP_ROL] = emu_exec_shift,
	[EMU_OP_ROR] = emu_exec_shift,
	[EMU_OP_NOT] = emu_exec_unary,
	[EMU_OP_NEG] = emu_exec_unary,
	[EMU_OP_INC] = emu_exec_unary,
	[EMU_OP_DEC] = emu_exec_unary,
	[EMU_OP_BT] = emu_exec_bit,
	[EMU_OP_BTS] = emu_exec_bit,
	[EMU_OP_BTR] = emu_exec_bit,
	[EMU_OP_BTC] = emu_exec_bit,
	[EMU_OP_PUSH] = emu_exec_push,
	[EMU_OP_PUSHF] = emu_exec_pushf,
	[EMU_OP_POP] = emu_exec_pop,
	[EMU_OP_CALL] = emu_exec_call,
	[EMU_OP_JMP] = emu_exec_jmp,
	[EMU_OP_RET] = emu_exec_ret,
	[EMU_OP_MOVS] = emu_exec_string,
	[EMU_OP_STOS] = emu_exec_string,
	[EMU_OP_LODS] = emu_exec_string,
	[EMU_OP_CMPS] = emu_exec_string,
	[EMU_OP_SCAS] = emu_exec_string,
	[EMU_OP_INS] = emu_exec_string,
	[EMU_OP_OUTS] = emu_exec_string,
	[EMU_OP_SSE_MOV] = emu_exec_sse,
	[EMU_OP_SSE_LOW] = emu_exec_sse,
	[EMU_OP_SSE_HIGH] = emu_exec_sse,
	[EMU_OP_SMSW] = exec_smsw,
	[EMU_OP_MOV_CR] = exec_unsupported,
	[EMU_OP_LMSW] = exec_unsupported,
	[EMU_OP_CLTS] = exec_unsupported,
};

/* The bytes past ctx->count are zeroes, which may match: hence the test of the length. */
static inline bool cache_hit(const struct emu_ctx *ctx, const struct emu_cache_entry *e)
{
	return e->insn.len && e->insn.len <= ctx->count &&
	       emu_cache_fits(e, ctx->word[0], ctx->word[1], ctx->mode);
}

static void cache_fill(const struct emu_ctx *ctx, struct emu_cache_entry *e)
{
	unsigned low = MIN(e->insn.len, 8), high = e->insn.len - low;
	u64 mode_mask = 0xffull << EMU_CACHE_MODE_SHIFT;

	e->mask[0] = emu_size_mask(low);
	e->mask[1] = (high ? emu_size_mask(high) : 0) | mode_mask;
	e->bytes[0] = ctx->word[0];
	e->bytes[1] = (ctx->word[1] & ~mode_mask) | (u64)ctx->mode << EMU_CACHE_MODE_SHIFT;
}

static enum emu_result decode_cached(struct emu_ctx *ctx, struct emu_cache_entry *e)
{
	enum emu_result ret;

	ctx->cache->misses++;
	ret = emu_decode(ctx, &e->insn);
	if (ret == EMU_DONE)
		cache_fill(ctx, e);
	else
		*e = (struct emu_cache_entry){ 0 };
	return ret;
}

static inline u64 following_rip(const struct emu_ctx *ctx, const struct emu_insn *insn)
{
	u64 rip = ctx->rip + insn->len;

	return ctx->mode == EMU_MODE_64 ? rip : (u32)rip;
}

static inline void begin(struct emu_ctx *ctx, const struct emu_insn *insn, bool use_hint)
{
	ctx->next_rip = following_rip(ctx, insn);
	ctx->use_hint = use_hint;
	ctx->seg_valid = 0;
	ctx->tlb[0].page = 0;
	ctx->tlb[1].page = 0;
}

static enum emu_result run_decoded(struct emu_ctx *ctx, const struct emu_insn *insn)
{
	enum emu_result ret;

	begin(ctx, insn, ctx->hint_valid && (insn->flags & EMU_INSN_ONE_MEM));
	ret = exec_table[insn->op](ctx, insn);
	if (likely(ret == EMU_DONE)) {
		ctx->rip = ctx->next_rip;
		ctx->rflags &= ~FLAG_RF;
	}
	return ret;
}

static enum emu_result run_uncached(struct emu_ctx *ctx)
{
	struct emu_insn insn;
	enum emu_result ret = emu_decode(ctx, &insn);

	return ret == EMU_DONE ? run_decoded(ctx, &insn) : ret;
}

enum emu_result emu_run(struct emu_ctx *ctx)
{
	struct emu_cache_entry *e;
	enum emu_result ret;

	if (unlikely(ctx->count > EMU_MAX_BYTES))
		ctx->count = EMU_MAX_BYTES;
	if (unlikely(!ctx->cache))
		return run_uncached(ctx);
	e = emu_cache_slot(ctx->cache, ctx->rip);
	if (unlikely(!cache_hit(ctx, e))) {
		ret = decode_cached(ctx, e);
		if (ret != EMU_DONE)
			return ret;
	}
	return run_decoded(ctx, &e->insn);
}

enum emu_result emu_inspect(struct emu_ctx *ctx, struct emu_insn *insn)
{
	struct emu_cache_entry *e;
	enum emu_result ret;

	if (unlikely(ctx->count > EMU_MAX_BYTES))
		ctx->count = EMU_MAX_BYTES;
	if (unlikely(!ctx->cache))
		return emu_decode(ctx, insn);
	e = emu_cache_slot(ctx->cache, ctx->rip);
	if (unlikely(!cache_hit(ctx, e))) {
		ret = decode_cached(ctx, e);
		if (ret != EMU_DONE)
			return ret;
	}
	*insn = e->insn;
	return EMU_DONE;
}

enum emu_result emu_inspect_operand(struct emu_ctx *ctx, const struct emu_insn *insn,
				    const struct emu_operand *o, u64 *value)
{
	begin(ctx, insn, false);
	return emu_operand_read(ctx, insn, o, value);
}
