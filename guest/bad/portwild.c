/*
 * portwild: reads all I/O ports as bytes, words and longs, but those that could end or hang the
 * machine; writes ports that no PC device claims; does the same with string instructions. Prints
 * how many reads were not all ones, and which byte ports those are. Exit status 0; 1 if a string
 * instruction left its registers or its buffer wrong, or an instruction raised an exception.
 */
#include <stdio.h>
#include <string.h>
#include "x86.h"

#define PORTWILD_REP 5

struct portwild_range {
	unsigned int first, last;
};

/* Not touched at all: debug exit, keyboard controller, system reset, serial, power management. */
static const struct portwild_range portwild_skipped[] = {
	{ 0x64, 0x64 },	  { 0x92, 0x92 },   { 0xf4, 0xf7 },	{ 0x3f8, 0x3ff },
	{ 0x600, 0x63f }, { 0xcf9, 0xcf9 }, { 0x8900, 0x8900 }, { 0xb000, 0xb03f },
};

/* Written to: nothing lives here on a PC, nor on QEMU's. */
static const struct portwild_range portwild_unclaimed[] = {
	{ 0x100, 0x16f },   { 0x180, 0x1ef },	{ 0x280, 0x2df },
	{ 0x1000, 0x4fff }, { 0xe000, 0xffff },
};

static unsigned int portwild_failures;

static bool portwild_is_skipped(unsigned int port, unsigned int size)
{
	size_t i;

	for (i = 0; i < sizeof(portwild_skipped) / sizeof(portwild_skipped[0]); i++)
		if (port + size > portwild_skipped[i].first && port <= portwild_skipped[i].last)
			return true;
	return false;
}

/* Whether reading SIZE bytes at PORT gave all ones; true for a skipped one. */
static bool portwild_read(uint16_t port, unsigned int size)
{
	if (portwild_is_skipped(port, size))
		return true;
	if (size == 1)
		return inb(port) == 0xff;
	if (size == 2)
		return inw(port) == 0xffff;
	return inl(port) == 0xffffffff;
}

static unsigned int portwild_read_all(unsigned int size)
{
	unsigned int port, run = 0, claimed = 0;

	for (port = 0; port <= 0x10000; port++) {
		if (port < 0x10000 && !portwild_read((uint16_t)port, size)) {
			run++;
			continue;
		}
		if (run && size == 1)
			printf("portwild: not all ones %04x-%04x\n", port - run, port - 1);
		claimed += run;
		run = 0;
	}
	return claimed;
}

static void portwild_write_all(void)
{
	unsigned int i, port;

	for (i = 0; i < sizeof(portwild_unclaimed) / sizeof(portwild_unclaimed[0]); i++) {
		for (port = portwild_unclaimed[i].first; port <= portwild_unclaimed[i].last;
		     port++) {
			outb((uint16_t)port, (uint8_t)port);
			outw((uint16_t)port, (uint16_t)~port);
			outl((uint16_t)port, port * 0x10001);
		}
	}
}

static void portwild_check(const char *what, uint16_t port, bool good)
{
	if (!good) {
		printf("portwild: %s at port %04x failed\n", what, port);
		portwild_failures++;
	}
}

/* Runs one string instruction of SIZE-byte elements at PORT; BUFFER has PORTWILD_REP of them. */
#define PORTWILD_STRING(insns, pointer, good)                                    \
	do {                                                                     \
		uint64_t at = (uintptr_t)(pointer), count = PORTWILD_REP;        \
		unsigned int traps = trap_last.count;                            \
		__asm__ volatile(TRAP_SKIP(insns) "cld"                          \
				 : "+D"(at), "+c"(count)                         \
				 : "d"(port)                                     \
				 : "rsi", "memory", "cc");                       \
		portwild_check(insns, port, trap_last.count == traps && (good)); \
	} while (0)

/* BUFFER lies across a page boundary, so that an emulator must translate twice. */
static void portwild_strings(uint16_t port)
{
	static uint8_t pages[8192] __attribute__((aligned(4096)));
	uint8_t *buffer = pages + 4096 - 6, *last = buffer + 4 * (PORTWILD_REP - 1);

	memset(pages, 0x5a, sizeof(pages));
	PORTWILD_STRING("rep insb", buffer,
			!count && at == (uintptr_t)buffer + PORTWILD_REP && buffer[0] == 0xff &&
				buffer[PORTWILD_REP - 1] == 0xff && buffer[PORTWILD_REP] == 0x5a);
	PORTWILD_STRING("rep insw", buffer,
			!count && at == (uintptr_t)buffer + 2 * PORTWILD_REP &&
				buffer[2 * PORTWILD_REP - 1] == 0xff &&
				buffer[2 * PORTWILD_REP] == 0x5a);
	PORTWILD_STRING("std; rep insl", last,
			!count && at == (uintptr_t)buffer - 4 && last[3] == 0xff &&
				buffer[-1] == 0x5a && last[4] == 0x5a);
	PORTWILD_STRING("xor %%ecx, %%ecx; rep insb", buffer - 1,
			!count && at == (uintptr_t)buffer - 1 && buffer[-1] == 0x5a);
	PORTWILD_STRING("insl", buffer + 2, count == PORTWILD_REP && at == (uintptr_t)buffer + 6);
	PORTWILD_STRING("mov %%rdi, %%rsi; rep outsb; mov %%rsi, %%rdi", buffer,
			!count && at == (uintptr_t)buffer + PORTWILD_REP);
	PORTWILD_STRING("mov %%rdi, %%rsi; rep outsw; mov %%rsi, %%rdi", buffer,
			!count && at == (uintptr_t)buffer + 2 * PORTWILD_REP);
	PORTWILD_STRING("mov %%rdi, %%rsi; std; rep outsl; mov %%rsi, %%rdi", last,
			!count && at == (uintptr_t)buffer - 4);
}

int main(void)
{
	unsigned int bytes = portwild_read_all(1), words = portwild_read_all(2);
	unsigned int longs = portwild_read_all(4);

	portwild_write_all();
	portwild_strings(0x2000);
	portwild_strings(0xffff);
	printf("portwild: not all ones: %u bytes, %u words, %u longs; %u failures\n", bytes, words,
	       longs, portwild_failures);
	return portwild_failures ? 1 : 0;
}
