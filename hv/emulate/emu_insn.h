/*
 * One decoded instruction in Neap's own terms: what emu_decode.c makes of the guest's bytes, what
 * the rest of the emulator works on, and what struct emu_cache keeps.
 */
#ifndef NEAP_HV_EMULATE_EMU_INSN_H
#define NEAP_HV_EMULATE_EMU_INSN_H

#include "core/types.h"

enum emu_op {
	EMU_OP_NONE, /* not one of ours: only its length is known */
	/* Moves. */
	EMU_OP_MOV,
	EMU_OP_MOVZX,
	EMU_OP_MOVSX,
	EMU_OP_MOVBE,
	EMU_OP_XCHG,
	EMU_OP_XADD,
	EMU_OP_CMPXCHG,
	EMU_OP_CMPXCHG_PAIR, /* CMPXCHG8B and CMPXCHG16B */
	EMU_OP_CMOVCC,
	EMU_OP_SETCC,
	/* Two operands, flags. */
	EMU_OP_ADD,
	EMU_OP_OR,
	EMU_OP_ADC,
	EMU_OP_SBB,
	EMU_OP_AND,
	EMU_OP_SUB,
	EMU_OP_XOR,
	EMU_OP_CMP,
	EMU_OP_TEST,
	EMU_OP_IMUL, /* two operands */
	EMU_OP_SHL,
	EMU_OP_SHR,
	EMU_OP_SAR,
	EMU_OP_ROL,
	EMU_OP_ROR,
	/* One operand. */
	EMU_OP_NOT,
	EMU_OP_NEG,
	EMU_OP_INC,
	EMU_OP_DEC,
	/* Bits. */
	EMU_OP_BT,
	EMU_OP_BTS,
	EMU_OP_BTR,
	EMU_OP_BTC,
	/* The stack and near branches. */
	EMU_OP_PUSH,
	EMU_OP_PUSHF,
	EMU_OP_POP,
	EMU_OP_CALL,
	EMU_OP_JMP,
	EMU_OP_RET,
	/* Strings. */
	EMU_OP_MOVS,
	EMU_OP_STOS,
	EMU_OP_LODS,
	EMU_OP_CMPS,
	EMU_OP_SCAS,
	EMU_OP_INS,
	EMU_OP_OUTS,
	/* 128-bit registers, by what happens to the parts that are not moved. */
	EMU_OP_SSE_MOV,	 /* all that is moved; a load clears the rest */
	EMU_OP_SSE_LOW,	 /* the low quadword; the high one stays */
	EMU_OP_SSE_HIGH, /* the high quadword; the low one stays */
	/* Control registers: decoded for the backends; only SMSW is executed here. */
	EMU_OP_SMSW,
	EMU_OP_MOV_CR,
	EMU_OP_LMSW,
	EMU_OP_CLTS,
	EMU_OP_COUNT
};

enum emu_kind {
	EMU_KIND_NONE,
	EMU_KIND_REG,	    /* reg: enum guest_reg */
	EMU_KIND_HIGH_BYTE, /* reg: RAX to RBX, its bits 15:8 */
	EMU_KIND_MEM,	    /* the one memory operand, whose address is in struct emu_insn */
	EMU_KIND_IMM,	    /* struct emu_insn's imm */
	EMU_KIND_SREG,	    /* reg: enum emu_seg */
	EMU_KIND_XMM,	    /* reg: 0 to 15 */
	EMU_KIND_CR,	    /* reg: 0, 2, 3, 4 or 8 */
};

struct emu_operand {
	u8 kind;
	u8 reg;
	u8 size; /* bytes: 1, 2, 4, 8 or 16 */
};

/* In the hardware's order (SDM vol. 2 table 2-1, segment register encoding). */
enum emu_seg {
	EMU_SEG_ES,
	EMU_SEG_CS,
	EMU_SEG_SS,
	EMU_SEG_DS,
	EMU_SEG_FS,
	EMU_SEG_GS,
	EMU_SEG_COUNT
};

/* Bits of struct emu_insn's flags. */
#define EMU_INSN_LOCK	 0x01u /* LOCK, or XCHG with memory */
#define EMU_INSN_REP	 0x02u /* F3, or F2 where they mean the same */
#define EMU_INSN_REPNE	 0x04u /* F2: for CMPS and SCAS */
#define EMU_INSN_ONE_MEM 0x08u /* accesses memory in one place only, its memory operand */
#define EMU_INSN_ALIGNED 0x10u /* a 16-byte operand must be aligned (MOVAPS and its like) */
/* MOV or MOVZX of memory and a register or immediate, in 64-bit code, of a flat segment, without
 * RSP. */
#define EMU_INSN_SIMPLE 0x40u
#define EMU_INSN_REL	0x20u /* imm is relative to the next instruction */

/* Values of base and index beside enum guest_reg. */
#define EMU_BASE_RIP 0xfe
#define EMU_NO_REG   0xff

struct emu_insn {
	u8 op;	/* enum emu_op */
	u8 len; /* 1 to 15 */
	u8 flags;
	u8 size;      /* operand size in bytes: of a string's element, of a stack slot */
	u8 addr_size; /* 2, 4 or 8 */
	u8 cond;      /* of SETcc and CMOVcc: the opcode's low four bits */
	struct emu_operand dst, src;
	u8 seg, base, index, scale_shift;
	u64 disp; /* sign-extended */
	u64 imm;  /* sign-extended where the instruction does so */
};

#endif
