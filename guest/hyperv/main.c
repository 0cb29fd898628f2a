/*
 * hyperv: checks the Hyper-V enlightenments from within: CPUID, MSRs, the hypercall page, what
 * hypercalls answer, that a flush leaves no stale translation on the processors it names, and that
 * an IPI reaches those it names and no other, whatever their VP indexes. Exit status 0; 1 if
 * something is not so.
 *
 * Words: bench (figures in place of checks), fault=stale (the flushes are left out: that must be
 * found), crash (reports one and ends), reset (resets the machine by the MSR).
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apic.h"
#include "hyperv.h"

#define XAPIC_IDS 254
#define OS_ID	  0x8100000000000001ull /* open source, no known system's */

struct worker workers[SMP_MAX_CPUS];
unsigned int checks_failed;
uint64_t *hv_input;
static char hypercall_page[4096] __attribute__((aligned(4096)));
static bool benching;

void check(const char *what, uint64_t wanted, uint64_t got)
{
	if (wanted == got)
		return;
	checks_failed++;
	iprintf("hyperv: %s: wanted %#lx, got %#lx\n", what, wanted, got);
}

uint64_t hv_call(uint64_t input, uint64_t in, uint64_t out)
{
	register uint64_t r8 __asm__("r8") = out;
	uint64_t result;

	__asm__ volatile("call *%[page]"
			 : "=a"(result), "+c"(input), "+d"(in), "+r"(r8)
			 : [page] "r"((uintptr_t)hypercall_page)
			 : "memory", "cc", "r9", "r10", "r11");
	return result;
}

bool hv_call_raw(uint64_t input, uint64_t *result)
{
	unsigned int traps = trap_last.count;
	bool amd = cpuid(0, 0).ebx == 0x68747541;

	*result = amd ? hypercall_amd(input) : hypercall_intel(input);
	return trap_last.count == traps;
}

void hv_enable(void)
{
	wrmsr(HV_GUEST_OS_ID, OS_ID);
	wrmsr(HV_HYPERCALL, (uintptr_t)hypercall_page | HV_ENABLED);
}

static void handle_ipi(struct trap_frame *frame)
{
	(void)frame;
	workers[smp_this()->index].interrupts++;
	apic_eoi();
}

/* Stays in its own page, whose content only grows: less than was promised is a stale translation.
 */
static void watch(struct worker *w, unsigned int index)
{
	const volatile uint64_t *page = watch_page(index);

	while (w->watch) {
		uint64_t epoch = w->epoch, value = *page;

		if (value < epoch)
			w->stale = epoch;
		w->seen = epoch;
	}
}

static void storm(struct worker *w)
{
	uint64_t input[3]
		__attribute__((aligned(32))) = { 0, HV_ALL_PROCESSORS | HV_ALL_SPACES, 0 };

	while (w->storm) {
		check("a flush in the storm", 0, hv_call(HV_FLUSH_SPACE, (uintptr_t)input, 0));
		w->storms++;
	}
}

/* All in the same mode: that in which all can be named. */
static void enable_apic(void)
{
	if (smp_count > XAPIC_IDS)
		apic_enable_x2apic();
	else
		apic_enable();
}

static void work(struct smp_cpu *cpu)
{
	struct worker *w = &workers[cpu->index];

	enable_apic();
	w->vp_index = (uint32_t)rdmsr(HV_VP_INDEX);
	w->online = 1;
	/* The one that is named is ready to run all the time: nothing is to wake it. */
	while (benching)
		if (cpu->index != smp_count - 1)
			__asm__ volatile("hlt" : : : "memory");
	for (;;) {
		irq_disable();
		if (!w->watch && !w->storm)
			irq_wait();
		irq_enable();
		if (w->watch)
			watch(w, cpu->index);
		if (w->storm)
			storm(w);
	}
}

static bool start_all(void)
{
	unsigned int i;

	apic_enable();
	smp_init(work);
	enable_apic();
	trap_set_handler(HV_VECTOR, handle_ipi);
	workers[0].vp_index = (uint32_t)rdmsr(HV_VP_INDEX);
	workers[0].online = 1;
	if (!smp_start_all(60000000000ull))
		return false;
	for (i = 0; i < smp_count; i++)
		while (!workers[i].online)
			cpu_pause();
	return true;
}

static bool has_word(int argc, char **argv, const char *word)
{
	int i;

	for (i = 1; i < argc; i++)
		if (!strcmp(argv[i], word))
			return true;
	return false;
}

static void report_crash(void)
{
	unsigned int i;

	for (i = 0; i < 5; i++)
		wrmsr(HV_CRASH_P0 + i, 0xbad0 + i);
	wrmsr(HV_CRASH_CTL, 1ul << 63);
}

static void print_indexes(void)
{
	unsigned int i;

	printf("hyperv: %u processors, VP indexes", smp_count);
	for (i = 0; i < smp_count && i < 8; i++)
		printf(" %u", (unsigned int)workers[i].vp_index);
	printf("%s\n", smp_count > 8 ? " ..." : "");
}

static void check_all(bool leave_out)
{
	check_status();
	if (smp_count > WORKERS_MAX)
		return;
	irq_enable();
	check_ipi();
	check_flush(leave_out);
	check_storm();
}

int main(int argc, char **argv)
{
	benching = has_word(argc, argv, "bench");
	hv_input = memalign(4096, 4096);
	if (has_word(argc, argv, "reset"))
		wrmsr(HV_RESET, 1);
	if (has_word(argc, argv, "crash")) {
		report_crash();
		return 0;
	}
	pic_init(0xffff);
	if (!benching)
		check_interface();
	hv_enable();
	if (!start_all()) {
		puts("hyperv: not all processors have started");
		return 1;
	}
	print_indexes();
	if (benching)
		bench();
	else
		check_all(has_word(argc, argv, "fault=stale"));
	printf("hyperv: %u checks failed\n", checks_failed);
	return checks_failed ? 1 : 0;
}
