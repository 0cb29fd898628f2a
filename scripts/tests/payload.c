/*
 * A multiboot2 kernel of one file, for the tests of scripts/run: it tells its command line and its
 * modules on COM1, then obeys single characters. Digits make a number; x ends with that exit
 * status, y too but does not switch the machine off, z switches it off without a word; P panics, Q
 * panics and does not come to an end; T ends in a triple fault; n tells how many characters have
 * come. Everything else is echoed.
 */
#include <stdint.h>

#define COM1		   0x3f8
#define LSR_RECEIVED	   0x01
#define LSR_HOLD_EMPTY	   0x20
#define LSR_ALL_EMPTY	   0x40
#define TAG_CMDLINE	   1
#define TAG_MODULE	   3
#define PM1A_CONTROL_BOCHS 0xb004 /* of its ACPI device */
#define PM1A_CONTROL_QEMU  0x604
#define SLEEP_S5	   0x2000

struct tag {
	uint32_t type;
	uint32_t size;
	uint32_t value[2];
	char name[];
};

__attribute__((section(".multiboot"), used)) static const uint32_t header[] = {
	0xe85250d6, 0, 24, -(0xe85250d6 + 24), 0, 8
};

__asm__(".text\n.globl _start\n"
	"_start: mov $stack_top, %esp\n push %ebx\n call payload_main\n"
	".local stack\n.comm stack, 8192, 16\n.set stack_top, stack + 8192\n");

static void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static void put_char(char c)
{
	if (c == '\n')
		put_char('\r');
	while (!(in8(COM1 + 5) & LSR_HOLD_EMPTY))
		;
	out8(COM1, c);
}

static void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

static void put_number(uint32_t number)
{
	if (number >= 10)
		put_number(number / 10);
	put_char('0' + number % 10);
}

static void uart_init(void)
{
	out8(COM1 + 3, 0x80);
	out8(COM1, 1);
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 3);
	out8(COM1 + 2, 7);
	out8(COM1 + 4, 3);
}

static void switch_off(void)
{
	while (!(in8(COM1 + 5) & LSR_ALL_EMPTY))
		;
	out16(PM1A_CONTROL_BOCHS, SLEEP_S5);
	out16(PM1A_CONTROL_QEMU, SLEEP_S5);
}

static void tell_boot_information(const uint8_t *info)
{
	const uint8_t *end = info + *(const uint32_t *)info;

	for (info += 8; info < end; info += (((const struct tag *)info)->size + 7) & ~7u) {
		const struct tag *tag = (const struct tag *)info;

		if (tag->type == TAG_CMDLINE) {
			put("cmdline: ");
			put((const char *)tag->value);
			put("\n");
		} else if (tag->type == TAG_MODULE) {
			put("module: ");
			put(tag->name);
			put(" ");
			put_number(tag->value[1] - tag->value[0]);
			put("\n");
		}
	}
}

static void triple_fault(void)
{
	static const struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) no_table;

	__asm__ volatile("lidt %0; ud2" ::"m"(no_table));
}

static void exit_with(char how, uint32_t status)
{
	if (how != 'z') {
		put("\nneap: exit status ");
		put_number(status);
		put("\n");
	}
	if (how != 'y')
		switch_off();
	for (;;)
		__asm__ volatile("hlt");
}

__attribute__((used)) void payload_main(const uint8_t *info)
{
	uint32_t number = 0;

	uart_init();
	tell_boot_information(info);
	put("ready> ");
	for (uint32_t received = 1;; received++) {
		while (!(in8(COM1 + 5) & LSR_RECEIVED))
			;
		char c = in8(COM1);

		if (c >= '0' && c <= '9')
			number = number * 10 + (c - '0');
		if (c >= 'x' && c <= 'z')
			exit_with(c, number);
		if (c == 'P' || c == 'Q')
			put("\nneap: error: panic: as told\nneap: error: and why\n");
		if (c == 'T')
			triple_fault();
		if (c == 'P')
			put("neap: error: panic: end\n");
		if (c == 'n') {
			put("\nreceived ");
			put_number(received);
			put("\n");
		}
		put_char(c);
	}
}
