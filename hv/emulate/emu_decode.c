/*
 * From bytes to struct emu_insn, by way of Zydis. The only file that knows Zydis: whatever it
 * decodes is checked here, so that the rest of the emulator can rely on operands of known kinds
 * and sizes.
 */
#ifndef ZYAN_NO_LIBC
#define ZYAN_NO_LIBC
#endif
#ifndef ZYDIS_STATIC_BUILD
#define ZYDIS_STATIC_BUILD
#endif
#ifndef ZYCORE_STATIC_BUILD
#define ZYCORE_STATIC_BUILD
#endif
#include <Zydis/Decoder.h>
#include <Zydis/Register.h>

#include <string.h>

#include "hv/emulate/emu_internal.h"

/* Explicit operands, and those hidden ones that string instructions need, come first. */
#define OPERANDS 2

#define IS(zydis, op) [ZYDIS_MNEMONIC_##zydis] = EMU_OP_##op

/* Instructions of ours by Zydis' mnemonic; 0 is EMU_OP_NONE. */
/* clang-format off */
static const u8 op_of_mnemonic[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	IS(MOV, MOV), IS(MOVNTI, MOV), IS(MOVZX, MOVZX), IS(MOVSX, MOVSX), IS(MOVSXD, MOVSX),
	IS(MOVBE, MOVBE), IS(XCHG, XCHG), IS(XADD, XADD), IS(CMPXCHG, CMPXCHG),
	IS(CMPXCHG8B, CMPXCHG_PAIR), IS(CMPXCHG16B, CMPXCHG_PAIR), IS(CMOVB, CMOVCC),
	IS(CMOVBE, CMOVCC), IS(CMOVL, CMOVCC), IS(CMOVLE, CMOVCC), IS(CMOVNB, CMOVCC),
	IS(CMOVNBE, CMOVCC), IS(CMOVNL, CMOVCC), IS(CMOVNLE, CMOVCC), IS(CMOVNO, CMOVCC),
	IS(CMOVNP, CMOVCC), IS(CMOVNS, CMOVCC), IS(CMOVNZ, CMOVCC), IS(CMOVO, CMOVCC),
	IS(CMOVP, CMOVCC), IS(CMOVS, CMOVCC), IS(CMOVZ, CMOVCC), IS(SETB, SETCC),
	IS(SETBE, SETCC), IS(SETL, SETCC), IS(SETLE, SETCC), IS(SETNB, SETCC), IS(SETNBE, SETCC),
	IS(SETNL, SETCC), IS(SETNLE, SETCC), IS(SETNO, SETCC), IS(SETNP, SETCC),
	IS(SETNS, SETCC), IS(SETNZ, SETCC), IS(SETO, SETCC), IS(SETP, SETCC), IS(SETS, SETCC),
	IS(SETZ, SETCC), IS(ADD, ADD), IS(OR, OR), IS(ADC, ADC), IS(SBB, SBB), IS(AND, AND),
	IS(SUB, SUB), IS(XOR, XOR), IS(CMP, CMP), IS(TEST, TEST), IS(IMUL, IMUL), IS(SHL, SHL), IS(SHR, SHR),
	IS(SAR, SAR), IS(ROL, ROL), IS(ROR, ROR), IS(NOT, NOT), IS(NEG, NEG), IS(INC, INC),
	IS(DEC, DEC), IS(BT, BT), IS(BTS, BTS), IS(BTR, BTR), IS(BTC, BTC), IS(PUSH, PUSH),
	IS(PUSHF, PUSHF), IS(PUSHFD, PUSHF), IS(PUSHFQ, PUSHF),
	IS(POP, POP), IS(CALL, CALL), IS(JMP, JMP), IS(RET, RET), IS(MOVSB, MOVS),
	IS(MOVSW, MOVS), IS(MOVSD, MOVS), IS(MOVSQ, MOVS), IS(STOSB, STOS), IS(STOSW, STOS),
	IS(STOSD, STOS), IS(STOSQ, STOS), IS(LODSB, LODS), IS(LODSW, LODS), IS(LODSD, LODS),
	IS(LODSQ, LODS), IS(CMPSB, CMPS), IS(CMPSW, CMPS), IS(CMPSD, CMPS), IS(CMPSQ, CMPS),
	IS(SCASB, SCAS), IS(SCASW, SCAS), IS(SCASD, SCAS), IS(SCASQ, SCAS), IS(INSB, INS),
	IS(INSW, INS), IS(INSD, INS), IS(OUTSB, OUTS), IS(OUTSW, OUTS), IS(OUTSD, OUTS),
	IS(MOVUPS, SSE_MOV), IS(MOVUPD, SSE_MOV), IS(MOVAPS, SSE_MOV), IS(MOVAPD, SSE_MOV),
	IS(MOVDQU, SSE_MOV), IS(MOVDQA, SSE_MOV), IS(LDDQU, SSE_MOV), IS(MOVNTPS, SSE_MOV),
	IS(MOVNTPD, SSE_MOV), IS(MOVNTDQ, SSE_MOV), IS(MOVNTDQA, SSE_MOV), IS(MOVD, SSE_MOV),
	IS(MOVQ, SSE_MOV), IS(MOVSS, SSE_MOV), IS(MOVLPS, SSE_LOW), IS(MOVLPD, SSE_LOW),
	IS(MOVHPS, SSE_HIGH), IS(MOVHPD, SSE_HIGH), IS(SMSW, SMSW), IS(LMSW, LMSW), IS(CLTS, CLTS),
};
/* clang-format on */

struct decoded {
	ZydisDecodedInstruction insn;
	ZydisDecodedOperand operand[OPERANDS];
};

static bool is_string(enum emu_op op)
{
	return op >= EMU_OP_MOVS && op <= EMU_OP_OUTS;
}

static bool is_stack(enum emu_op op)
{
	return op >= EMU_OP_PUSH && op <= EMU_OP_RET;
}

static bool is_sse(enum emu_op op)
{
	return op >= EMU_OP_SSE_MOV && op <= EMU_OP_SSE_HIGH;
}

static bool is_control(enum emu_op op)
{
	return op >= EMU_OP_SMSW && op <= EMU_OP_CLTS;
}

static bool in_range(ZydisRegister reg, ZydisRegister first, ZydisRegister last)
{
	return reg >= first && reg <= last;
}

/* The number of a general register of 16 bits or more, or EMU_NO_REG. */
static u8 wide_register(ZydisRegister reg)
{
	if (in_range(reg, ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_R15))
		return (u8)(reg - ZYDIS_REGISTER_RAX);
	if (in_range(reg, ZYDIS_REGISTER_EAX, ZYDIS_REGISTER_R15D))
		return (u8)(reg - ZYDIS_REGISTER_EAX);
	if (in_range(reg, ZYDIS_REGISTER_AX, ZYDIS_REGISTER_R15W))
		return (u8)(reg - ZYDIS_REGISTER_AX);
	return EMU_NO_REG;
}

_Static_assert(ZYDIS_REGISTER_R15 - ZYDIS_REGISTER_RAX == REG_R15, "64-bit registers in order");
_Static_assert(ZYDIS_REGISTER_R15D - ZYDIS_REGISTER_EAX == REG_R15, "32-bit registers in order");
_Static_assert(ZYDIS_REGISTER_R15W - ZYDIS_REGISTER_AX == REG_R15, "16-bit registers in order");
_Static_assert(ZYDIS_REGISTER_AH - ZYDIS_REGISTER_AL == 4 &&
		       ZYDIS_REGISTER_SPL - ZYDIS_REGISTER_AL == 8 &&
		       ZYDIS_REGISTER_R15B - ZYDIS_REGISTER_AL == 19,
	       "byte registers: four low, four high, then SPL and up");
_Static_assert(ZYDIS_REGISTER_GS - ZYDIS_REGISTER_ES == EMU_SEG_GS, "segments in order");

static bool byte_register(ZydisRegister reg, struct emu_operand *o)
{
	unsigned n = (unsigned)(reg - ZYDIS_REGISTER_AL);

	if (!in_range(reg, ZYDIS_REGISTER_AL, ZYDIS_REGISTER_R15B))
		return false;
	o->size = 1;
	o->kind = n >= 4 && n < 8 ? EMU_KIND_HIGH_BYTE : EMU_KIND_REG;
	o->reg = (u8)(n < 4 ? n : n - 4);
	if (o->kind == EMU_KIND_HIGH_BYTE)
		o->reg = (u8)(n & 3);
	return true;
}

static bool register_operand(ZydisRegister reg, struct emu_operand *o)
{
	if (byte_register(reg, o))
		return true;
	o->reg = wide_register(reg);
	o->kind = EMU_KIND_REG;
	if (o->reg != EMU_NO_REG)
		return true;
	if (in_range(reg, ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS)) {
		o->kind = EMU_KIND_SREG;
		o->reg = (u8)(reg - ZYDIS_REGISTER_ES);
		return true;
	}
	if (in_range(reg, ZYDIS_REGISTER_CR0, ZYDIS_REGISTER_CR8)) {
		o->kind = EMU_KIND_CR;
		o->reg = (u8)(reg - ZYDIS_REGISTER_CR0);
		return true;
	}
	o->kind = EMU_KIND_XMM;
	o->reg = (u8)(reg - ZYDIS_REGISTER_XMM0);
	return in_range(reg, ZYDIS_REGISTER_XMM0, ZYDIS_REGISTER_XMM15);
}

/*
 * A SIB byte without base: mod 0, base 5, whatever REX.B is (SDM vol. 2 table 2-3). Zydis 4.0.0
 * overlooks REX.B here for 32-bit addresses.
 */
static bool sib_has_no_base(const ZydisDecodedInstruction *z)
{
	return (z->attributes & ZYDIS_ATTRIB_HAS_SIB) && z->raw.modrm.mod == 0 &&
	       z->raw.sib.base == 5;
}

static bool memory_operand(const ZydisDecodedInstruction *z, const ZydisDecodedOperandMem *m,
			   struct emu_insn *insn)
{
	if (m->type != ZYDIS_MEMOP_TYPE_MEM ||
	    !in_range(m->segment, ZYDIS_REGISTER_ES, ZYDIS_REGISTER_GS))
		return false;
	insn->seg = (u8)(m->segment - ZYDIS_REGISTER_ES);
	insn->disp = (u64)m->disp.value;
	insn->base = wide_register(m->base);
	if (m->base == ZYDIS_REGISTER_RIP || m->base == ZYDIS_REGISTER_EIP)
		insn->base = EMU_BASE_RIP;
	if (sib_has_no_base(z)) {
		insn->base = EMU_NO_REG;
		insn->disp = (u64)z->raw.disp.value;
	}
	insn->index = wide_register(m->index);
	insn->scale_shift = m->scale == 8 ? 3 : m->scale == 4 ? 2 : m->scale == 2;
	return true;
}

static bool translate_operand(const struct decoded *d, const ZydisDecodedOperand *z,
			      struct emu_insn *insn, struct emu_operand *o)
{
	o->size = (u8)MIN(z->size / 8, 16);
	switch (z->type) {
	case ZYDIS_OPERAND_TYPE_REGISTER:
		return register_operand(z->reg.value, o);
	case ZYDIS_OPERAND_TYPE_MEMORY:
		o->kind = EMU_KIND_MEM;
		return memory_operand(&d->insn, &z->mem, insn);
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		o->kind = EMU_KIND_IMM;
		o->size = insn->size;
		insn->imm = z->imm.value.u;
		if (z->imm.is_relative)
			insn->flags |= EMU_INSN_REL;
		return true;
	default:
		return false;
	}
}

/* String instructions: the operands are known, but for the segment of the source. */
static bool translate_string(const struct decoded *d, struct emu_insn *insn)
{
	insn->seg = EMU_SEG_DS;
	for (unsigned i = 0; i < MIN((unsigned)d->insn.operand_count, (unsigned)OPERANDS); i++) {
		const ZydisDecodedOperand *z = &d->operand[i];

		if (z->type == ZYDIS_OPERAND_TYPE_MEMORY && wide_register(z->mem.base) == REG_RSI)
			insn->seg = (u8)(z->mem.segment - ZYDIS_REGISTER_ES);
	}
	return insn->seg < EMU_SEG_COUNT;
}

static bool translate_operands(const struct decoded *d, struct emu_insn *insn)
{
	unsigned n = MIN(d->insn.operand_count_visible, OPERANDS);

	if (d->insn.operand_count_visible > OPERANDS)
		return false;
	if (n > 0 && !translate_operand(d, &d->operand[0], insn, &insn->dst))
		return false;
	return n < 2 || translate_operand(d, &d->operand[1], insn, &insn->src);
}

static bool general_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Moves between an XMM register and memory or a general register. */
static bool check_sse(const struct emu_insn *insn)
{
	bool load = insn->dst.kind == EMU_KIND_XMM;
	const struct emu_operand *other = load ? &insn->src : &insn->dst;

	if (!load && insn->src.kind != EMU_KIND_XMM)
		return false;
	if (other->kind == EMU_KIND_REG)
		return other->size == 4 || other->size == 8;
	return other->kind == EMU_KIND_MEM &&
	       (other->size == 4 || other->size == 8 || other->size == 16);
}

static bool plain_kind(const struct emu_operand *o, bool writable)
{
	switch (o->kind) {
	case EMU_KIND_REG:
	case EMU_KIND_HIGH_BYTE:
	case EMU_KIND_MEM:
		return general_size(o->size);
	case EMU_KIND_IMM:
	case EMU_KIND_SREG:
		return !writable && general_size(o->size);
	default:
		return false;
	}
}

/* Moves of control registers are to or from a general register; the others have at most one
 * operand. */
static bool check_control(const struct emu_insn *insn)
{
	if (insn->op == EMU_OP_MOV_CR)
		return (insn->dst.kind == EMU_KIND_REG) != (insn->src.kind == EMU_KIND_REG);
	return insn->op == EMU_OP_CLTS || plain_kind(&insn->dst, true);
}

static bool check_stack(const struct emu_insn *insn)
{
	if (insn->op == EMU_OP_RET) /* its only operand is the immediate */
		return insn->dst.kind == EMU_KIND_NONE || insn->dst.kind == EMU_KIND_IMM;
	if (insn->op == EMU_OP_PUSHF)
		return insn->dst.kind == EMU_KIND_NONE;
	return insn->src.kind == EMU_KIND_NONE && plain_kind(&insn->dst, insn->op == EMU_OP_POP);
}

/* Whether the instruction has the form that its exec function expects. */
static bool check_form(const struct emu_insn *insn)
{
	enum emu_op op = insn->op;

	if (is_sse(op))
		return check_sse(insn);
	if (is_control(op))
		return check_control(insn);
	if (op == EMU_OP_CMPXCHG_PAIR)
		return insn->dst.kind == EMU_KIND_MEM &&
		       (insn->dst.size == 8 || insn->dst.size == 16);
	if (!general_size(insn->size))
		return false;
	if (is_string(op))
		return true;
	if (is_stack(op))
		return check_stack(insn);
	if (!plain_kind(&insn->dst, true))
		return false;
	if (op == EMU_OP_SETCC || (op >= EMU_OP_NOT && op <= EMU_OP_DEC))
		return insn->src.kind == EMU_KIND_NONE;
	if (op == EMU_OP_XCHG || op == EMU_OP_XADD || op == EMU_OP_CMPXCHG)
		return plain_kind(&insn->src, true) && insn->src.kind != EMU_KIND_MEM;
	if (op == EMU_OP_CMOVCC)
		return insn->dst.kind == EMU_KIND_REG && plain_kind(&insn->src, false);
	return plain_kind(&insn->src, false) &&
	       (insn->src.kind != EMU_KIND_MEM || insn->dst.kind != EMU_KIND_MEM);
}

static bool must_be_aligned(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_MOVAPS:
	case ZYDIS_MNEMONIC_MOVAPD:
	case ZYDIS_MNEMONIC_MOVDQA:
	case ZYDIS_MNEMONIC_MOVNTPS:
	case ZYDIS_MNEMONIC_MOVNTPD:
	case ZYDIS_MNEMONIC_MOVNTDQ:
	case ZYDIS_MNEMONIC_MOVNTDQA:
		return true;
	default:
		return false;
	}
}

/* The last of F2 and F3 counts, and both repeat MOVS, STOS, LODS, INS and OUTS. */
static u8 repeat_flag(const ZydisDecodedInstruction *z)
{
	u8 flag = 0;

	for (unsigned i = 0; i < z->raw.prefix_count; i++) {
		if (z->raw.prefixes[i].value == 0xf3)
			flag = EMU_INSN_REP;
		else if (z->raw.prefixes[i].value == 0xf2)
			flag = EMU_INSN_REPNE;
	}
	return flag;
}

/* MOVSD and CMPSD name a string instruction and an SSE one each. */
static enum emu_op choose_op(const ZydisDecodedInstruction *z)
{
	enum emu_op op = op_of_mnemonic[z->mnemonic];

	if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
	    z->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR)
		return EMU_OP_NONE;
	if (op == EMU_OP_IMUL && z->operand_count_visible != 2)
		return EMU_OP_NONE;
	if (!is_string(op) || z->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT)
		return op;
	return z->mnemonic == ZYDIS_MNEMONIC_MOVSD ? EMU_OP_SSE_MOV : EMU_OP_NONE;
}

static bool uses_rsp(const struct emu_insn *insn)
{
	return insn->base == REG_RSP || insn->dst.reg == REG_RSP || insn->src.reg == REG_RSP;
}

/* What mmio_move() can do. */
static bool is_simple(const struct decoded *d, const struct emu_insn *insn)
{
	u8 dst = insn->dst.kind, src = insn->src.kind;

	if (insn->op != EMU_OP_MOV && insn->op != EMU_OP_MOVZX)
		return false;
	if (d->insn.machine_mode != ZYDIS_MACHINE_MODE_LONG_64 || insn->seg >= EMU_SEG_FS ||
	    uses_rsp(insn))
		return false;
	if (dst == EMU_KIND_MEM)
		return src == EMU_KIND_REG || src == EMU_KIND_IMM;
	return dst == EMU_KIND_REG && src == EMU_KIND_MEM;
}

static void set_flags(const struct decoded *d, struct emu_insn *insn)
{
	bool mem = insn->dst.kind == EMU_KIND_MEM;

	if (is_string(insn->op)) {
		insn->flags |= repeat_flag(&d->insn);
		return;
	}
	if (mem && ((d->insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) || insn->op == EMU_OP_XCHG))
		insn->flags |= EMU_INSN_LOCK;
	if (!is_stack(insn->op))
		insn->flags |= EMU_INSN_ONE_MEM;
	if (is_simple(d, insn))
		insn->flags |= EMU_INSN_SIMPLE;
	if (must_be_aligned(d->insn.mnemonic))
		insn->flags |= EMU_INSN_ALIGNED;
}

/* Ports have no more than 32 bits, REX.W or not (SDM vol. 2, INS and OUTS). */
static u8 operand_size(const ZydisDecodedInstruction *z, enum emu_op op)
{
	u8 size = z->operand_width / 8;

	return op == EMU_OP_INS || op == EMU_OP_OUTS ? MIN(size, (u8)4) : size;
}

/* Everything but the length; false: not one of ours. */
static bool translate_supported(const struct decoded *d, struct emu_insn *insn)
{
	insn->op = choose_op(&d->insn);
	insn->size = operand_size(&d->insn, insn->op);
	insn->addr_size = d->insn.address_width / 8;
	insn->cond = d->insn.opcode & 15;
	insn->base = insn->index = EMU_NO_REG;
	if (insn->op == EMU_OP_NONE)
		return false;
	if (is_string(insn->op) ? !translate_string(d, insn) : !translate_operands(d, insn))
		return false;
	if (insn->op == EMU_OP_MOV &&
	    (insn->dst.kind == EMU_KIND_CR || insn->src.kind == EMU_KIND_CR))
		insn->op = EMU_OP_MOV_CR;
	set_flags(d, insn);
	return check_form(insn);
}

static void translate(const struct decoded *d, struct emu_insn *insn)
{
	memset(insn, 0, sizeof(*insn));
	if (!translate_supported(d, insn))
		memset(insn, 0, sizeof(*insn)); /* EMU_OP_NONE */
	insn->len = d->insn.length;
}

static void decoder_init(ZydisDecoder *decoder, enum emu_mode mode)
{
	ZydisMachineMode machine = ZYDIS_MACHINE_MODE_LONG_64;
	ZydisStackWidth stack = ZYDIS_STACK_WIDTH_64;

	if (mode == EMU_MODE_32) {
		machine = ZYDIS_MACHINE_MODE_LEGACY_32;
		stack = ZYDIS_STACK_WIDTH_32;
	} else if (mode == EMU_MODE_16) {
		machine = ZYDIS_MACHINE_MODE_LEGACY_16;
		stack = ZYDIS_STACK_WIDTH_16;
	}
	ZydisDecoderInit(decoder, machine, stack);
}

static enum emu_result decode_failed(struct emu_ctx *ctx, ZyanStatus status)
{
	switch (status) {
	case ZYDIS_STATUS_NO_MORE_DATA:
		if (ctx->fetch_faulted)
			return EMU_FAULT;
		return emu_unhandled(ctx, "the instruction is cut short");
	case ZYDIS_STATUS_INSTRUCTION_TOO_LONG:
		return emu_fault(ctx, GUEST_GP);
	case ZYDIS_STATUS_ILLEGAL_LOCK:
	case ZYDIS_STATUS_BAD_REGISTER:
		return emu_fault(ctx, GUEST_UD);
	default:
		return emu_unhandled(ctx, "the bytes do not decode");
	}
}

enum emu_result emu_decode(struct emu_ctx *ctx, struct emu_insn *insn)
{
	ZydisDecoder decoder;
	ZydisDecoderContext context;
	struct decoded d;
	ZyanStatus status;

	decoder_init(&decoder, ctx->mode);
	status = ZydisDecoderDecodeInstruction(&decoder, &context, ctx->bytes, ctx->count, &d.insn);
	if (ZYAN_SUCCESS(status))
		status = ZydisDecoderDecodeOperands(&decoder, &context, &d.insn, d.operand,
						    MIN(d.insn.operand_count, OPERANDS));
	if (!ZYAN_SUCCESS(status))
		return decode_failed(ctx, status);
	if (d.insn.length == 0 || d.insn.length > EMU_MAX_BYTES)
		return emu_unhandled(ctx, "the bytes do not decode");
	translate(&d, insn);
	return EMU_DONE;
}
