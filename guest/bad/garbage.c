/*
 * garbage: executes bytes that are no code, without an IDT: 0x06 and 0xff, or with a number as
 * argument pseudo-random ones from that seed. Ends the VM by triple fault, with no exit status;
 * other seeds may end it otherwise or not at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include "x86.h"

static uint8_t garbage_page[4096] __attribute__((aligned(4096)));

static void garbage_fill(uint32_t seed)
{
	size_t i;

	for (i = 0; i < sizeof(garbage_page); i++) {
		seed = seed * 1664525u + 1013904223u; /* Numerical Recipes' generator */
		garbage_page[i] = (uint8_t)(seed >> 24);
	}
}

static void garbage_fill_invalid(void)
{
	size_t i;

	for (i = 0; i < sizeof(garbage_page); i++)
		garbage_page[i] = i % 2 ? 0xff : 0x06;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		garbage_fill((uint32_t)strtoul(argv[1], NULL, 0));
	else
		garbage_fill_invalid();
	printf("garbage: jumping to %p\n", (void *)garbage_page);
	idt_load(NULL, 0);
	__asm__ volatile("jmp *%0" : : "r"(garbage_page) : "memory");
	__builtin_unreachable();
}
