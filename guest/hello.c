/*
 * hello: what a guest was given. Prints its command line, memory map, modules and processor.
 * Exit status 0.
 */
#include <stdio.h>
#include <string.h>
#include "crc32.h"
#include "multiboot.h"
#include "x86.h"

#define HELLO_CRC_BYTES 4096 /* of each module */

static const char *const hello_types[] = {
	"?", "available", "reserved", "ACPI", "ACPI NVS", "bad"
};

static void hello_print_memory(void)
{
	const struct multiboot_mmap *m = NULL;

	while ((m = multiboot_mmap_next(m)))
		printf("memory: %012llx-%012llx %s\n", (unsigned long long)m->addr,
		       (unsigned long long)(m->addr + m->len - 1),
		       hello_types[m->type <= 5 ? m->type : 0]);
}

static void hello_print_modules(void)
{
	const struct multiboot_module *m;
	unsigned int i;

	for (i = 0; (m = multiboot_module(i)); i++) {
		size_t size = m->end - m->start;
		size_t head = size < HELLO_CRC_BYTES ? size : HELLO_CRC_BYTES;

		printf("module: \"%s\" at %08x, %lu bytes, crc32 of the first %lu %08x\n",
		       multiboot_module_string(m), (unsigned int)m->start, size, head,
		       (unsigned int)crc32((const void *)(uintptr_t)m->start, head));
	}
	printf("modules: %u\n", i);
}

/* The twelve bytes of text that LEAF has in the registers of ORDER, for instance "bdc". */
static void hello_print_signature(const char *what, uint32_t leaf, const char *order)
{
	struct cpuid c = cpuid(leaf, 0);
	const uint32_t registers[] = { c.ebx, c.ecx, c.edx };
	char text[13] = "";
	int i;

	for (i = 0; i < 3; i++)
		memcpy(text + 4 * i, &registers[order[i] - 'b'], 4);
	printf("%s: \"%s\", highest leaf %08x\n", what, text, (unsigned int)c.eax);
}

int main(int argc, char **argv)
{
	int i;

	printf("hello from a guest\ncommand line: \"%s\"\n", multiboot_cmdline());
	for (i = 0; i < argc; i++)
		printf("argv[%d]: \"%s\"\n", i, argv[i]);
	hello_print_memory();
	hello_print_modules();
	hello_print_signature("processor", 0, "bdc");
	if (cpuid(1, 0).ecx & 1u << 31)
		hello_print_signature("hypervisor", 0x40000000, "bcd");
	else
		printf("hypervisor: none shown\n");
	return 0;
}
