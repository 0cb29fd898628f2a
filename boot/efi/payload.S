/*
 * The hypervisor as boot/efi/ carries it: its ELF file, without symbols, and where it is entered. The
 * build gives the addresses of entry_efi, image_start and image_end as they are linked.
 */
	.if	ENTRY_EFI < IMAGE_START || ENTRY_EFI >= IMAGE_END
	.error	"entry_efi is not in the image"
	.endif

	.section .rodata
	.globl	hypervisor_elf, hypervisor_elf_size, hypervisor_entry_offset
	.hidden	hypervisor_elf, hypervisor_elf_size, hypervisor_entry_offset
	.balign	8
hypervisor_entry_offset:
	.quad	ENTRY_EFI - IMAGE_START
hypervisor_elf_size:
	.quad	hypervisor_elf_end - hypervisor_elf
	.balign	16
hypervisor_elf:
	.incbin	"neap.stripped.elf"
hypervisor_elf_end:

	.section .note.GNU-stack, "", @progbits
