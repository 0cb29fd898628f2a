/*
 * String I/O, with the CMOS memory: its index is port 0x70, its data port 0x71, so that a word
 * to port 0x70 is both.
 */
#include <string.h>
#include "conform.h"

#define MSR_FS_BASE 0xc0000100u

#define CMOS_INDEX 0x70u
#define CMOS_DATA  0x71u
#define CMOS_FIRST 0x50u /* memory without a meaning */

#define STRING_FEW  5
#define STRING_MANY 200 /* more than an emulator does at once */
#define STRING_FILL 0x33

#define PAGE_BYTES 4096

CODE_DECLARE(string_outsw)
CODE_DECLARE(string_insb)
CODE_DECLARE(string_insw)
CODE_DECLARE(string_insl)
CODE_DECLARE(string_insb_32)
CODE_DECLARE(string_outsw_fs)

static uint8_t cmos_read(unsigned int index)
{
	outb(CMOS_INDEX, (uint8_t)index);
	return inb(CMOS_DATA);
}

static void cmos_write(unsigned int index, unsigned int value)
{
	outb(CMOS_INDEX, (uint8_t)index);
	outb(CMOS_DATA, (uint8_t)value);
}

/* Words that write VALUE, VALUE + 1, ... to the first bytes, in the order of memory. */
static void string_fill(char *to, unsigned int value)
{
	unsigned int i;

	for (i = 0; i < STRING_FEW; i++) {
		to[2 * i] = (char)(CMOS_FIRST + i);
		to[2 * i + 1] = (char)(value + i);
	}
}

static void string_check_cmos(unsigned int value)
{
	unsigned int i;

	for (i = 0; i < STRING_FEW; i++)
		check_equal("CMOS", value + i, cmos_read(CMOS_FIRST + i));
}

/* What is behind the last element, and that none is left. */
static void string_check_registers(const struct regs *r, uint64_t rsi, uint64_t rdi)
{
	check_count(0);
	check_equal("RSI", rsi, r->rsi);
	check_equal("RDI", rdi, r->rdi);
	check_equal("RCX", 0, r->rcx);
}

/* OUTSW from BUFFER, in both directions: the last word that is written shows. */
static void string_check_out(const char *name, char *buffer)
{
	uintptr_t start = (uintptr_t)buffer;
	struct regs r = { .rcx = STRING_FEW, .rdx = CMOS_INDEX, .rsi = start };

	check_begin("outs-%s", name);
	string_fill(buffer, 0x10);
	code_run(CODE(string_outsw), &r);
	string_check_registers(&r, start + 2 * STRING_FEW, 0);
	string_check_cmos(0x10);
	string_fill(buffer, 0x80);
	r = (struct regs){ .rcx = STRING_FEW,
			   .rdx = CMOS_INDEX,
			   .rsi = start + 2 * (STRING_FEW - 1),
			   .r11 = FLAG_DF };
	code_run(CODE(string_outsw), &r);
	string_check_registers(&r, start - 2, 0);
	string_check_cmos(0x80);
	check_equal("the index, which the first word has", CMOS_FIRST, buffer[0]);
	check_end();
}

/* Which word comes last shows where all have one index. */
static void string_check_order(void)
{
	uintptr_t start = (uintptr_t)pages[0];
	struct regs r = { .rcx = 2, .rdx = CMOS_INDEX, .rsi = start };

	check_begin("outs-order");
	memcpy(pages[0], "\x50\x11\x50\x22", 4);
	code_run(CODE(string_outsw), &r);
	check_equal("up", 0x22, cmos_read(CMOS_FIRST));
	r = (struct regs){ .rcx = 2, .rdx = CMOS_INDEX, .rsi = start + 2, .r11 = FLAG_DF };
	code_run(CODE(string_outsw), &r);
	check_equal("down", 0x11, cmos_read(CMOS_FIRST));
	check_end();
}

static void string_check_fs(void)
{
	struct regs r = { .rcx = STRING_FEW, .rdx = CMOS_INDEX, .rsi = 0x10 };

	check_begin("outs-fs");
	wrmsr(MSR_FS_BASE, (uintptr_t)pages[1] - 0x10);
	string_fill(pages[1], 0x30);
	code_run(CODE(string_outsw_fs), &r);
	string_check_registers(&r, 0x10 + 2 * STRING_FEW, 0);
	string_check_cmos(0x30);
	wrmsr(MSR_FS_BASE, 0);
	check_end();
}

/* Whether just the BYTES from START on are VALUE. */
static void string_check_buffer(const char *start, unsigned int bytes, unsigned int value)
{
	unsigned int i;

	for (i = 0; i < bytes; i++)
		check_equal("element", value, (uint8_t)start[i]);
	check_equal("the byte before", STRING_FILL, (uint8_t)start[-1]);
	check_equal("the byte behind", STRING_FILL, (uint8_t)start[bytes]);
}

/* COUNT times INSB, from START upwards and then down to it. */
static void string_check_in(const char *name, char *start, unsigned int count)
{
	struct regs r = { .rcx = count, .rdx = CMOS_DATA, .rdi = (uintptr_t)start };

	check_begin("ins-%s", name);
	memset(pages, STRING_FILL, sizeof(pages));
	cmos_write(CMOS_FIRST, 0xa7);
	code_run(CODE(string_insb), &r);
	string_check_registers(&r, 0, (uintptr_t)start + count);
	string_check_buffer(start, count, 0xa7);
	memset(pages, STRING_FILL, sizeof(pages));
	r = (struct regs){
		.rcx = count, .rdx = CMOS_DATA, .rdi = (uintptr_t)start + count - 1, .r11 = FLAG_DF
	};
	code_run(CODE(string_insb), &r);
	string_check_registers(&r, 0, (uintptr_t)start - 1);
	string_check_buffer(start, count, 0xa7);
	check_end();
}

/* Elements of SIZE bytes from a port that reads as ones, each of which is across a page's end. */
static void string_check_wide(const char *name, struct code code, unsigned int size)
{
	char *start = &pages[0][PAGE_BYTES + 1 - size];
	struct regs r = { .rcx = STRING_FEW, .rdx = PORT_NOBODY, .rdi = (uintptr_t)start };

	check_begin("ins-%s", name);
	memset(pages, STRING_FILL, sizeof(pages));
	code_run(code, &r);
	string_check_registers(&r, 0, (uintptr_t)start + STRING_FEW * size);
	string_check_buffer(start, STRING_FEW * size, 0xff);
	check_end();
}

/* With 32-bit addresses the upper halves are not looked at, and are gone behind. */
static void string_check_address_size(void)
{
	uint64_t garbage = 0xffffffff00000000;
	struct regs r = { .rcx = garbage | STRING_FEW,
			  .rdx = CMOS_DATA,
			  .rdi = garbage | (uintptr_t)pages[1] };

	check_begin("ins-32-bit-addresses");
	memset(pages, STRING_FILL, sizeof(pages));
	cmos_write(CMOS_FIRST, 0x5c);
	code_run(CODE(string_insb_32), &r);
	string_check_registers(&r, 0, (uintptr_t)pages[1] + STRING_FEW);
	string_check_buffer(pages[1], STRING_FEW, 0x5c);
	check_end();
}

static void string_check_none(void)
{
	struct regs r = { .rdx = CMOS_DATA, .rdi = (uintptr_t)pages[1] };

	check_begin("ins-none");
	memset(pages, STRING_FILL, sizeof(pages));
	code_run(CODE(string_insb), &r);
	string_check_registers(&r, 0, (uintptr_t)pages[1]);
	string_check_buffer(pages[1], 0, 0);
	check_end();
}

void conform_string(void)
{
	string_check_out("in-page", pages[0]);
	string_check_out("over-page-end", &pages[0][PAGE_BYTES - 4]);
	string_check_out("element-over-page-end", &pages[0][PAGE_BYTES - 5]);
	string_check_order();
	string_check_fs();
	string_check_in("few", &pages[1][64], STRING_FEW);
	string_check_in("many", &pages[1][64], STRING_MANY);
	string_check_in("over-page-end", &pages[1][PAGE_BYTES - 3], STRING_FEW);
	string_check_in("many-over-page-end", &pages[1][PAGE_BYTES - 100], STRING_MANY);
	string_check_wide("words", CODE(string_insw), 2);
	string_check_wide("doublewords", CODE(string_insl), 4);
	string_check_address_size();
	string_check_none();
}
