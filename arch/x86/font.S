/* The screen's font, from a Debian package (see rules.mk); font.psf is found through -I. */
	.section .rodata
	.balign 16
	.global font_start, font_end
font_start:
	.incbin "font.psf"
font_end:
	.section .note.GNU-stack, "", @progbits
