/*
 * To real mode and back. The piece from real_start to real_end is copied to REAL_BASE, below 1 MiB;
 * it runs there first as 16-bit protected code, then in real mode, and what it finds stays in the
 * copy's results. SDM 3A, 9.9.2; the way back is that of start.S.
 */
#define REAL_BASE      0x70000
#define SELECTOR_CODE64 0x08
#define SELECTOR_DATA64 0x10
#define SELECTOR_CODE32 0x28
#define SELECTOR_CODE16 0x40	/* based at REAL_BASE */
#define SELECTOR_DATA16 0x48
#define CR0_PE	       0x1
#define CR0_PG	       0x80000000
#define MSR_EFER       0xc0000080
#define EFER_LME       0x100
#define MSR_BAD	       0x4b564dff
#define STACK_TOP      0xff0 /* of the page that the copy is in */
#define STACK_SIZE     512
#define VECTOR_DB      1
#define VECTOR_GP      13
#define VECTOR_SOFT    0x50

	/* void real_run(void): interrupts are off, the GDT is compat_load_gdt()'s. */
	.text
	.globl real_run
real_run:
	push %rbx
	push %rbp
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, real_stack(%rip)
	sidt real_idt(%rip)
	ljmp *real_to_32(%rip)

	.code32
real_32:
	mov %cr0, %eax
	and $~CR0_PG, %eax
	mov %eax, %cr0
	mov $MSR_EFER, %ecx
	rdmsr
	and $~EFER_LME, %eax
	wrmsr
	mov $SELECTOR_DATA16, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	ljmp $SELECTOR_CODE16, $0	/* real_start */

real_back_32:
	mov $SELECTOR_DATA64, %eax
	mov %eax, %ss
	mov %eax, %ds
	mov %eax, %es
	lidt real_idt
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	ljmp $SELECTOR_CODE64, $real_back_64

	.code64
real_back_64:
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov real_stack(%rip), %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbp
	pop %rbx
	ret

	.data
	.balign 8
real_to_32:
	.long real_32
	.word SELECTOR_CODE32
real_idt:
	.skip 10
	.balign 8
real_stack:
	.skip 8

#define AT(label) ((label) - real_start)
	.globl real_start, real_end, real_results, real_step_cpuid, real_step_out, real_step_end
	.globl real_fault, real_soft, real_text
	.section .rodata
	.code16
real_start:
	mov %cr0, %eax
	and $~CR0_PE, %eax
	mov %eax, %cr0
	ljmp $REAL_BASE >> 4, $AT(real_mode)
real_mode:
	mov %cs, %ax
	mov %ax, %ss
	mov %ax, %ds
	mov %ax, %es
	mov $STACK_TOP, %sp
	lidt AT(real_ivt_pointer)
	cld

	xor %eax, %eax
	cpuid
	mov %ebx, AT(real_vendor)
	mov %cr4, %eax
	mov %eax, %cr4
	mov $0x80, %al
	out %al, $0x80
	smsw %ax
	mov %ax, AT(real_msw)
	mov $AT(real_text), %si
	mov $0x2f0, %dx
	mov $4, %cx
	rep outsb
	mov %si, AT(real_si)

	pushf
	pop %ax
	or $0x100, %ax
	push %ax
	popf
	cpuid
real_step_cpuid:
	out %al, $0x80
real_step_out:
	nop
real_step_end:
	mov $MSR_BAD, %ecx
	mov %sp, AT(real_sp)
real_fault:
	rdmsr
	int $VECTOR_SOFT
real_soft:

	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $SELECTOR_CODE32, $real_back_32

	/* Notes IP, and ends the step at the last one. */
real_db:
	push %bp
	mov %sp, %bp
	push %bx
	push %ax
	mov AT(real_steps), %bx
	inc %bx
	mov %bx, AT(real_steps)
	add %bx, %bx
	mov 2(%bp), %ax
	mov %ax, AT(real_step_ip) - 2(%bx)
	cmp $AT(real_step_end), %ax
	jne 1f
	andw $~0x100, 6(%bp)
1:	pop %ax
	pop %bx
	pop %bp
	iret

	/* Notes IP and how many bytes were pushed; goes on behind RDMSR. */
real_gp:
	push %bp
	mov %sp, %bp
	push %ax
	mov 2(%bp), %ax
	mov %ax, AT(real_fault_ip)
	mov AT(real_sp), %ax
	sub %bp, %ax
	sub $2, %ax
	mov %ax, AT(real_pushed)
	addw $2, 2(%bp)
	pop %ax
	pop %bp
	iret

real_int:
	push %bp
	mov %sp, %bp
	push %ax
	mov 2(%bp), %ax
	mov %ax, AT(real_soft_ip)
	pop %ax
	pop %bp
	iret

real_text:
	.ascii "Neap"
	.balign 4
real_ivt_pointer:
	.word 0x3ff
	.long REAL_BASE + AT(real_ivt)
	.balign 8
real_results: /* struct real_results */
real_vendor:
	.long 0
real_msw:
	.word 0
real_si:
	.word 0
real_steps:
	.word 0
real_step_ip:
	.word 0, 0, 0, 0
real_fault_ip:
	.word 0
real_sp:
	.word 0
real_pushed:
	.word 0
real_soft_ip:
	.word 0
	.balign 8
real_ivt:
	.set v, 0
	.rept 256
	.if v == VECTOR_DB
	.word AT(real_db)
	.elseif v == VECTOR_GP
	.word AT(real_gp)
	.else
	.word AT(real_int)
	.endif
	.word REAL_BASE >> 4
	.set v, v + 1
	.endr
	.org real_start + STACK_TOP - STACK_SIZE /* an error if it is longer */
real_end:
	.section .note.GNU-stack, "", @progbits
