/* Emulation of instructions that touch device memory: the emulator's operations on a real vCPU. */
#ifndef NEAP_HV_MMIO_H
#define NEAP_HV_MMIO_H

#include "hv/vcpu.h"

/* What the exit tells about the access; all zero when it tells nothing. */
struct mmio_hint {
	bool valid, write; /* the access itself (not a page walk) went to gpa */
	gpa_t gpa;
	u8 io_size; /* string I/O: the element's size; 0: not that */
	/*
	 * The instruction's bytes as the processor gave them at the exit (APM vol. 2 15.8.4), up to
	 * 15, where the guest cannot write; 0: none, they are fetched.
	 */
	u8 insn_count;
	const u8 *insn;
};

/*
 * Executes the instruction at RIP. Injects the fault it leads to, ends the VM when it cannot be
 * done. The vCPU's own thread, state loaded; bounded by EMU_REP_MAX iterations.
 */
void mmio_emulate(struct vcpu *vcpu, const struct mmio_hint *hint);

/*
 * The short way for a MOV that is executed often; tried before the above. code: at least 16 bytes
 * that can be read, 15 of them the guest's at RIP, in 64-bit code at CPL 0 (fetch_cache_code());
 * gpa: where the access itself went, with no slot that has RAM for it. Returns the instruction's
 * length when it has been executed: RIP is to be moved on, RF and the interrupt shadow to be ended.
 * 0: nothing has been done. It neither reads nor writes RSP. The vCPU's own thread, vcpu->rip set;
 * bounded.
 */
unsigned mmio_move(struct vcpu *vcpu, const u8 *code, gpa_t gpa, bool write) __must_check;

/*
 * For processors that do not tell it: the length of the instruction at RIP, 1 to 15 bytes, prefixes
 * counted. bytes and count as insn and insn_count in struct mmio_hint; NULL and 0: fetched.
 * -EFAULT: enter the guest again, the fault that fetching led to, if any, is injected. -EINVAL: the
 * bytes do not decode. Quick when the same instruction comes again. vCPU's own thread, state
 * loaded; bounded.
 */
int mmio_instruction_length(struct vcpu *vcpu, const u8 *bytes, u8 count) __must_check;

enum mmio_cr_kind {
	MMIO_CR_MOV_TO,
	MMIO_CR_MOV_FROM,
	MMIO_CR_LMSW,
	MMIO_CR_SMSW, /* mmio_emulate() executes it, whatever its operand is */
	MMIO_CR_CLTS,
};

/* An instruction that reads or writes a control register. */
struct mmio_cr_access {
	u8 kind;     /* enum mmio_cr_kind */
	u8 cr;	     /* 0 but for moves */
	u8 reg;	     /* enum guest_reg: of moves, and of LMSW and SMSW unless memory is set */
	u8 length;   /* in bytes */
	bool memory; /* LMSW and SMSW: the operand is in memory */
	u16 msw;     /* LMSW: the operand's value, from wherever it is */
};

/*
 * Decodes the control-register access at RIP, for processors that do not. Arguments, context and
 * -EFAULT as above; 0: *out is set; -EINVAL: it is no such instruction (the guest may have changed
 * its code).
 */
int mmio_decode_cr_access(struct vcpu *vcpu, const u8 *bytes, u8 count,
			  struct mmio_cr_access *out) __must_check;

#endif
