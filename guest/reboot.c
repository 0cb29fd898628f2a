/*
 * reboot: looks whether the RAM that nothing was loaded to is zero, fills it, and resets the
 * machine in the way that the first argument names: kbc (the keyboard controller), port92, cf9,
 * acpi (the register that the ACPI tables name) or triple (a triple fault, which under Neap is no
 * reset); with off it switches the machine off. With the argument all it looks at every word, else
 * at one of each page. Exit status 1 if some RAM is not zero, 2 if it is still there afterwards.
 */
#include <stdio.h>
#include <string.h>
#include "multiboot.h"
#include "x86.h"

#define REBOOT_FILL	   0x6f6c64646174610aull
#define REBOOT_FIRST	   0x180000 /* behind image, section headers and modules: there are none */
#define REBOOT_PAGE	   4096
#define REBOOT_PM1_CONTROL 0x604  /* where Neap has it */
#define REBOOT_S5	   0x3400 /* SLP_EN, and Neap's SLP_TYP for S5 */
#define REBOOT_4G	   0x100000000ull
#define REBOOT_BIOS	   0xe0000 /* where the RSDP lies, at a multiple of 16 */
#define REBOOT_BIOS_END	   0x100000

/* Offsets in ACPI's tables (ACPI 6.4, 5.2.5.3, 5.2.6, 5.2.9). */
#define RSDP_RSDT	16
#define TABLE_LENGTH	4
#define TABLE_BODY	36
#define FADT_RESET_REG	116
#define FADT_RESET_AT	120 /* the address in it */
#define FADT_RESET_BYTE 128

static uint32_t reboot_get32(uint32_t at)
{
	return *(volatile uint32_t *)(uintptr_t)at;
}

/* Whether all was zero; it is not any more. */
static bool reboot_look(uint64_t step)
{
	uint64_t end = multiboot_ram_end(REBOOT_4G);

	for (uint64_t at = REBOOT_FIRST; at < end; at += step) {
		volatile uint64_t *word = (volatile uint64_t *)at;

		if (*word) {
			printf("reboot: %#lx at %#lx\n", (unsigned long)*word, (unsigned long)at);
			return false;
		}
		*word = REBOOT_FILL;
	}
	return true;
}

static uint32_t reboot_find_rsdp(void)
{
	for (uint32_t at = REBOOT_BIOS; at < REBOOT_BIOS_END; at += 16)
		if (!memcmp((const void *)(uintptr_t)at, "RSD PTR ", 8))
			return at;
	return 0;
}

static void reboot_by_acpi(void)
{
	uint32_t rsdp = reboot_find_rsdp(), rsdt = rsdp ? reboot_get32(rsdp + RSDP_RSDT) : 0;
	uint32_t end = rsdt ? rsdt + reboot_get32(rsdt + TABLE_LENGTH) : 0;

	for (uint32_t at = rsdt + TABLE_BODY; rsdt && at < end; at += 4) {
		uint32_t table = reboot_get32(at);
		const uint8_t *byte = (const uint8_t *)(uintptr_t)table;

		if (!memcmp(byte, "FACP", 4) && byte[FADT_RESET_REG] == 1)
			outb((uint16_t)reboot_get32(table + FADT_RESET_AT), byte[FADT_RESET_BYTE]);
	}
}

static void reboot_by(const char *way)
{
	if (!strcmp(way, "kbc")) {
		outb(0x64, 0xfe);
	} else if (!strcmp(way, "port92")) {
		outb(0x92, 0x01);
	} else if (!strcmp(way, "cf9")) {
		outb(0xcf9, 0x02);
		outb(0xcf9, 0x06);
	} else if (!strcmp(way, "acpi")) {
		reboot_by_acpi();
	} else if (!strcmp(way, "off")) {
		outw(REBOOT_PM1_CONTROL, REBOOT_S5);
	} else {
		idt_load(NULL, 0);
		__asm__ volatile("int3");
	}
}

int main(int argc, char **argv)
{
	bool all = argc > 2 && !strcmp(argv[2], "all");

	if (!reboot_look(all ? sizeof(uint64_t) : REBOOT_PAGE))
		return 1;
	reboot_by(argc > 1 ? argv[1] : "kbc");
	printf("reboot: still here\n");
	return 2;
}
