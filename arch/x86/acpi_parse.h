/* The parts of the ACPI reader, for arch/x86/acpi.c and the tests. */
#ifndef NEAP_ARCH_X86_ACPI_PARSE_H
#define NEAP_ARCH_X86_ACPI_PARSE_H

#include "arch/x86/acpi.h"
#include "core/bytes.h"

#define ACPI_HEADER_SIZE 36
#define ACPI_GAS_SIZE	 12

/* The generic address structure (5.2.3.2) at p; ACPI_GAS_SIZE bytes are there. */
static inline struct acpi_gas acpi_get_gas(const u8 *p)
{
	return (struct acpi_gas){ .space = p[0],
				  .bit_width = p[1],
				  .bit_offset = p[2],
				  .access = p[3],
				  .address = get_le64(p + 4) };
}

/* 8-bit sum; 0 for what is intact. */
u8 acpi_sum(const u8 *p, size_t n);

/*
 * Finds and checks the root pointer and maps all tables it leads to, for acpi_table_find(). Fills
 * present, revision and oem_id of info. Errors as acpi_init().
 */
int acpi_tables_init(hpa_t rsdp, struct acpi_info *info) __must_check;

/* Maps one more table, which must have that signature. False, with a warning, when it cannot. */
bool acpi_tables_add(u64 address, const char *signature) __must_check;

/* Each takes a whole table of n >= ACPI_HEADER_SIZE bytes and fills what it finds. */
void acpi_parse_madt(const u8 *t, u32 n, struct acpi_madt *m);
bool acpi_parse_fadt(const u8 *t, u32 n, struct acpi_fadt *out) __must_check;
void acpi_parse_mcfg(const u8 *t, u32 n, struct acpi_info *out);
bool acpi_parse_spcr(const u8 *t, u32 n, struct acpi_serial *out) __must_check;
bool acpi_parse_dbg2(const u8 *t, u32 n, struct acpi_serial *out) __must_check;
u64 acpi_parse_hpet(const u8 *t, u32 n); /* its physical address, or 0 */

/*
 * Looks for the \_S5_ package in n bytes of byte code (a DSDT or SSDT without its header). False
 * when there is none with two constant numbers of at most 7.
 */
bool acpi_aml_find_s5(const u8 *aml, size_t n, u8 *type_a, u8 *type_b) __must_check;

#endif
