/*
 * Moving on behind an instruction that exited. Where the processor does not save the next RIP the
 * instruction is looked at: the usual encodings here, by their bytes in the page that was fetched
 * from last; all others by the decoder.
 */
#include <errno.h>
#include <string.h>

#include "arch/x86/desc.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "hv/mmio.h"

#define REX_FIRST  0x40u
#define REX_LAST   0x4fu
#define REX_B	   1u
#define OPCODE_CR  0x220fu
#define CR_LENGTH  3
#define EXIT_MSR   0x7cu
#define EXIT_FIRST 0x72u
#define EXIT_LAST  0x89u

/* The bytes that an instruction with this exit code has unless it has prefixes, little-endian. */
static const struct {
	u32 bytes, mask;
	u8 length;
} encodings[EXIT_LAST - EXIT_FIRST + 1] = {
	[0x72 - EXIT_FIRST] = { 0xa20f, 0xffff, 2 },	 /* CPUID */
	[0x76 - EXIT_FIRST] = { 0x080f, 0xffff, 2 },	 /* INVD */
	[0x77 - EXIT_FIRST] = { 0x90f3, 0xffff, 2 },	 /* PAUSE */
	[0x78 - EXIT_FIRST] = { 0xf4, 0xff, 1 },	 /* HLT */
	[EXIT_MSR - EXIT_FIRST] = { 0x300f, 0xfdff, 2 }, /* WRMSR, RDMSR */
	[0x81 - EXIT_FIRST] = { 0xd9010f, 0xffffff, 3 }, /* VMMCALL */
	[0x89 - EXIT_FIRST] = { 0x090f, 0xffff, 2 },	 /* WBINVD */
};

/* SVM has no field for a pending single-step trap: it is injected here. */
void svm_step_trap(struct vcpu *v)
{
	struct vmcb *vmcb = svm_of(v)->vmcb;

	if (svm_of(v)->stepping)
		svm_step_end(v);
	if (!(vmcb->save.rflags & RFLAGS_TF))
		return;
	vmcb->save.dr6 |= DR6_BS;
	vmcb_dirty(vmcb, CLEAN_DR);
	svm_inject_exception(v, VEC_DB, false, 0);
}

u64 svm_wrap_rip(const struct vcpu *v, u64 rip)
{
	return fetch_mode_is_64bit(svm_fetch_mode(&svm_of(v)->vmcb->save)) ? rip : (u32)rip;
}

/* The next four bytes at RIP in 64-bit code, if they are in the page fetched from last; else 0. */
static force_inline u32 peek(const struct vcpu *v)
{
	const struct vmcb_save *s = &svm_of(v)->vmcb->save;
	u64 mode = svm_fetch_mode(s);
	const u8 *code;
	u32 bytes;

	if (unlikely(!fetch_mode_is_64bit(mode)))
		return 0;
	code = fetch_cache_code(v->fetch_cache, s->rip, s->cr3, mode,
				slots_generation(&v->vm->slots), sizeof(bytes));
	if (unlikely(!code))
		return 0;
	memcpy(&bytes, code, sizeof(bytes));
	return bytes;
}

static __attribute__((noinline)) void skip_by_decoder(struct vcpu *v)
{
	int length = mmio_instruction_length(v, NULL, 0);

	/* What cannot be read or decoded any more the guest has changed since: it is executed anew.
	 */
	if (length > 0)
		svm_skip_to(v, svm_of(v)->vmcb->save.rip + (unsigned)length);
}

void svm_skip_decoded(struct vcpu *v)
{
	const struct vmcb *vmcb = svm_of(v)->vmcb;
	u64 i = vmcb->exit_code - EXIT_FIRST;

	if (i < ARRAY_SIZE(encodings) && encodings[i].length &&
	    (peek(v) & encodings[i].mask) == encodings[i].bytes)
		svm_skip_to(v, vmcb->save.rip + encodings[i].length);
	else
		skip_by_decoder(v);
}

int svm_decode_mov_to_cr(struct vcpu *v, unsigned *length)
{
	struct mmio_cr_access access;
	u32 bytes = peek(v), rex = 0;
	int err;

	if ((bytes & 0xff) - REX_FIRST <= REX_LAST - REX_FIRST) {
		rex = bytes & 0xff;
		bytes >>= 8;
	}
	if ((bytes & 0xffff) == OPCODE_CR) {
		*length = CR_LENGTH + (rex ? 1 : 0);
		return (int)((bytes >> 16 & 7) | (rex & REX_B) << 3);
	}
	err = mmio_decode_cr_access(v, NULL, 0, &access);
	if (err)
		return err;
	*length = access.length;
	return access.kind == MMIO_CR_MOV_TO ? access.reg : -EINVAL;
}
