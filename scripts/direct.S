/*
 * Boot sector of the disk that scripts/run --boot kernel makes for Bochs, in place of a loader: asks the
 * BIOS for the memory map, reads what follows on the disk to 1 MiB, and enters it as multiboot2 wants it
 * (Multiboot2 2.0, 3.3 to 3.6). scripts/neaplib/direct.py lays all of that out and fills in the words at
 * the end. The disk is read by its ports (ATA-6, PIO data-in), as the BIOS reaches no memory above 1 MiB.
 */
#define MAP		0x8000		/* where the memory map is gathered */
#define MAP_ENTRY	24		/* bytes of an entry in multiboot2's map; the BIOS fills 20 */
#define LOAD		0x100000
#define SECTORS_MAX	256		/* of one command; 0 stands for it */
#define ATA		0x1f0
#define BSY_DRQ_ERR	0x89
#define DRQ		0x08
#define CMD_READ	0x20
#define MB2_MAGIC	0x36d76289

	.text
	.code16
	.globl	_start
_start:	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$_start, %sp
	movw	$MAP, %di
	xorl	%ebx, %ebx
1:	movl	$0, 20(%di)
	movl	$0xe820, %eax
	movl	$20, %ecx
	movl	$0x534d4150, %edx	/* SMAP */
	int	$0x15
	jc	2f
	addw	$MAP_ENTRY, %di
	testl	%ebx, %ebx
	jnz	1b
2:	cli
	movw	%di, map_end
	inb	$0x92, %al		/* A20 */
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92
	lgdt	gdt_pointer
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmp	$8, $protected

	.code32
protected:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss

	movl	$LOAD, %edi
	movl	$1, %esi		/* the next sector; sectors is how many are left */
3:	movl	$SECTORS_MAX, %ebx
	cmpl	sectors, %ebx
	jbe	4f
	movl	sectors, %ebx
4:	subl	%ebx, sectors
	call	wait
	movw	$(ATA + 2), %dx
	movb	%bl, %al
	outb	%al, %dx
	movl	%esi, %eax
	movl	$3, %ecx		/* bits 0 to 23 of its number, from the lowest */
5:	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	loop	5b
	incw	%dx
	orb	$0xe0, %al		/* by number, the first disk; bits 24 to 27 */
	outb	%al, %dx
	incw	%dx
	movb	$CMD_READ, %al
	outb	%al, %dx
	addl	%ebx, %esi
6:	call	wait
	cmpb	$DRQ, %al
	jne	stop
	movw	$ATA, %dx
	movl	$128, %ecx
	rep insl
	decl	%ebx
	jnz	6b
	cmpl	$0, sectors
	jne	3b

	/* Here the map goes: behind the head of its tag, the last but one. The end's follows. */
	movl	map_tag, %edx
	leal	16(%edx), %edi
	movl	$MAP, %esi
	movzwl	map_end, %ecx
	subl	%esi, %ecx
	shrl	$2, %ecx
	rep movsl
	movl	%edi, %eax
	subl	%edx, %eax
	movl	%eax, 4(%edx)
	movl	$0, (%edi)
	movl	$8, 4(%edi)
	movl	$LOAD, %ebx
	leal	8(%edi), %eax
	subl	%ebx, %eax
	movl	%eax, (%ebx)
	movl	$MB2_MAGIC, %eax
	jmp	*entry

stop:	hlt
	jmp	stop

/* Waits until the disk is not busy; its status, of the bits that count, in %al. */
wait:	movw	$(ATA + 7), %dx
7:	inb	%dx, %al
	testb	%al, %al
	js	7b
	andb	$BSY_DRQ_ERR, %al
	ret

	.align 8
gdt:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	gdt_pointer - gdt - 1
	.long	gdt
map_end:
	.word	0

	.org	498
sectors:
	.long	0
map_tag:
	.long	0
entry:	.long	0
	.word	0xaa55
