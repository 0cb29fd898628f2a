/*
 * conform: whether the processor that a guest sees does exactly what the manuals say, where a
 * hypervisor takes part. Each check prints "conform: NAME ok" or "conform: NAME FAILED: ..."; one
 * that makes no sense on this processor, "conform: NAME skipped: ...". Arguments select groups by
 * name; the word bochs leaves out what that emulator does wrong by itself, and the word shared what
 * another does once it runs several VMs in turn. Exit status 0; 1 if a check failed.
 */
#include <stdio.h>
#include <string.h>
#include "apic.h"
#include "conform.h"

#define MAIN_WORDS  16
#define MAIN_BOCHS  "bochs"
#define MAIN_SHARED "shared"

static char *main_words[MAIN_WORDS];
static int main_word_count;

struct main_group {
	const char *name;
	void (*run)(void);
	void (*run_mode)(const char *mode); /* once for each of the local APIC's modes */
};

static const struct main_group main_groups[] = {
	{ "step", conform_step, NULL },
	{ "breakpoint", conform_breakpoint, NULL },
	{ "fault", conform_fault, NULL },
	{ "trap", conform_trap, NULL },
	{ "control", conform_control, NULL },
	{ "xcr", conform_xcr, NULL },
	{ "instruction", conform_instruction, NULL },
	{ "cpuid", conform_cpuid, NULL },
	{ "tsc", conform_tsc, NULL },
	{ "prefix", conform_prefix, NULL },
	{ "compat", conform_compat, NULL },
	{ "real", conform_real, NULL },
	{ "user", conform_user, NULL },
	{ "string", conform_string, NULL },
	{ "mmio", conform_mmio, NULL },
	{ "nmi", NULL, conform_nmi },
	{ "irq", NULL, conform_irq },
	{ "tpr", NULL, conform_tpr },
};

static bool main_has(const char *word)
{
	int i;

	for (i = 0; i < main_word_count; i++)
		if (!strcmp(main_words[i], word))
			return true;
	return false;
}

bool main_on_bochs(void)
{
	return main_has(MAIN_BOCHS);
}

bool main_is_shared(void)
{
	return main_has(MAIN_SHARED);
}

static bool main_wants(const char *group)
{
	return main_has(group) || main_word_count == main_on_bochs() + main_is_shared();
}

static void main_run(const char *mode)
{
	const struct main_group *g;

	for (g = main_groups; g < main_groups + sizeof(main_groups) / sizeof(*g); g++) {
		if (!main_wants(g->name))
			continue;
		if (!mode && g->run)
			g->run();
		if (mode && g->run_mode)
			g->run_mode(mode);
	}
}

int main(int argc, char **argv)
{
	for (main_word_count = 0; main_word_count + 1 < argc && main_word_count < MAIN_WORDS;
	     main_word_count++)
		main_words[main_word_count] = argv[main_word_count + 1];
	setvbuf(stdout, NULL, _IOLBF, 0);
	pic_init(0xffff);
	apic_enable();
	event_init();
	main_run(NULL);
	main_run("xapic");
	if (apic_enable_x2apic())
		main_run("x2apic");
	return check_finish();
}
