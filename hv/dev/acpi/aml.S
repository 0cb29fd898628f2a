/*
 * The compiled AML (hv/dev/acpi/rules.mk), each table between two labels. Assembled with -I on the
 * directory the AML is made in, for the hypervisor and for the host's tests alike.
 */
	.macro table name, file
	.balign 16
	.globl \name\()_start, \name\()_end
\name\()_start:
	.incbin "\file"
\name\()_end:
	.endm

	.section .rodata, "a"
	table acpi_dsdt_aml, "dsdt.aml"
	table acpi_ssdt_com1_aml, "ssdt_com1.aml"

	.section .note.GNU-stack, "", %progbits
