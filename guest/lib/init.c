/* guest_start(): from long mode to main(). */
#include <stdlib.h>
#include <string.h>
#include "exit.h"
#include "multiboot.h"
#include "paging.h"
#include "trap.h"
#include "uart.h"

#define INIT_MAX_ARGS	 31
#define INIT_MAX_CMDLINE 1023 /* bytes; longer ones are cut */

int main(int argc, char **argv);
void guest_start(uint32_t magic, const struct multiboot_info *info);

extern char stack_guard[];

static char *init_argv[INIT_MAX_ARGS + 1];
static char init_name[] = "guest"; /* argv[0] where the loader does not tell */
static char init_cmdline[INIT_MAX_CMDLINE + 1];

/* Some loaders put the file's name before the command line (QEMU), some do not (GRUB 2). */
static bool init_is_file(const char *word)
{
	size_t len = strlen(word);

	return len > 4 && !strcmp(word + len - 4, ".elf");
}

static int init_split(void)
{
	int argc = 0;
	char *word, *rest;

	strncpy(init_cmdline, multiboot_cmdline(), INIT_MAX_CMDLINE);
	word = strtok_r(init_cmdline, " ", &rest);
	if (!word || !init_is_file(word))
		init_argv[argc++] = init_name;
	for (; word && argc < INIT_MAX_ARGS; word = strtok_r(NULL, " ", &rest))
		init_argv[argc++] = word;
	return argc;
}

void guest_start(uint32_t magic, const struct multiboot_info *info)
{
	uart_init();
	trap_init();
	if (!multiboot_init(magic, info))
		exit_machine(EXIT_NO_LOADER);
	page_forbid((uintptr_t)stack_guard);
	exit(main(init_split(), init_argv));
}
