/* Runs one instruction on the processor itself, in 64-bit mode, with all registers chosen. */
#ifndef NEAP_TESTS_EMU_NATIVE_H
#define NEAP_TESTS_EMU_NATIVE_H

#include "core/types.h"

/* What the trampoline loads before, and stores after, the instruction. */
struct native_state {
	u64 r[16];
	u64 flags;
	u64 code, host_rsp;
	u8 xmm[16][16] __aligned(16);
};

struct native_state native_state;
void native_run(void);
extern char native_exit[];

_Static_assert(offsetof(struct native_state, flags) == 128, "the assembly knows");
_Static_assert(offsetof(struct native_state, code) == 136, "the assembly knows");
_Static_assert(offsetof(struct native_state, xmm) == 160, "the assembly knows");

__asm__(".text\n"
	".macro each_xmm insn\n"
	"	.irp n,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15\n"
	"	\\insn \\n\n"
	"	.endr\n"
	".endm\n"
	".macro load_xmm n\n movdqa native_state+160+16*\\n(%rip), %xmm\\n\n.endm\n"
	".macro save_xmm n\n movdqa %xmm\\n, native_state+160+16*\\n(%rip)\n.endm\n"
	".macro each_reg insn\n"
	"	\\insn %rax, 0\n \\insn %rcx, 1\n \\insn %rdx, 2\n \\insn %rbx, 3\n"
	"	\\insn %rbp, 5\n \\insn %rsi, 6\n \\insn %rdi, 7\n \\insn %r8, 8\n"
	"	\\insn %r9, 9\n \\insn %r10, 10\n \\insn %r11, 11\n \\insn %r12, 12\n"
	"	\\insn %r13, 13\n \\insn %r14, 14\n \\insn %r15, 15\n \\insn %rsp, 4\n"
	".endm\n"
	".macro load_reg r n\n mov native_state+8*\\n(%rip), \\r\n.endm\n"
	".macro save_reg r n\n mov \\r, native_state+8*\\n(%rip)\n.endm\n"
	".globl native_run\n"
	".globl native_exit\n"
	"native_run:\n"
	"	push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
	"	mov %rsp, native_state+144(%rip)\n"
	"	each_xmm load_xmm\n"
	"	pushq native_state+128(%rip)\n"
	"	popfq\n"
	"	each_reg load_reg\n"
	"	jmp *native_state+136(%rip)\n"
	"native_exit:\n"
	"	each_reg save_reg\n"
	"	mov native_state+144(%rip), %rsp\n"
	"	pushfq\n"
	"	popq native_state+128(%rip)\n"
	"	cld\n"
	"	each_xmm save_xmm\n"
	"	pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
	"	ret\n");

#endif
