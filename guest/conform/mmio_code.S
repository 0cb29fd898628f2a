/* Accesses of a register of the I/O APIC: RDI. */
#include "code.inc"

	.macro mmio_code name, instruction:vararg
	code mmio_\name
	\instruction
	point
	end_code mmio_\name
	.endm

	mmio_code load, movl (%rdi), %eax
	mmio_code store, movl %eax, (%rdi)
	mmio_code store_high, movl %r14d, (%rdi)
	mmio_code store_imm, movl $0x10061, (%rdi)
	mmio_code store_sib, movl %eax, -16(%rdi,%rcx,8)
	mmio_code xchg, xchg %eax, (%rdi)
	mmio_code xadd, xadd %eax, (%rdi)
	mmio_code cmpxchg, lock cmpxchg %ebx, (%rdi)
	mmio_code or, orl %eax, (%rdi)
	mmio_code and, andl %eax, (%rdi)
	mmio_code xor, xorl %eax, (%rdi)
	mmio_code add, addl %eax, (%rdi)
	mmio_code sub, subl %eax, (%rdi)
	mmio_code inc, incl (%rdi)
	mmio_code dec, lock decl (%rdi)
	mmio_code bts, lock btsl $3, (%rdi)
	mmio_code btr, lock btrl $3, (%rdi)
	mmio_code stos, stosl
	mmio_code movs, movsl
	mmio_code movzx8, movzbl (%rdi), %eax
	mmio_code movsx16, movswl (%rdi), %eax
	mmio_code load8, movb (%rdi), %ah

	code mmio_sse_store
	movd %eax, %xmm0
	movd %xmm0, (%rdi)
	point
	end_code mmio_sse_store
	.section .note.GNU-stack, "", @progbits
