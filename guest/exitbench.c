/*
 * exitbench: what an operation that leaves the guest costs, in TSC ticks, guest and hypervisor
 * together. Every row is run BENCH_RUNS times between two RDTSC; from each figure the median of the
 * empty pair is taken. Arguments select rows, by a part of their name. A row that this processor
 * lacks is skipped, with the reason. Exit status 0; 1 if no row could be measured.
 *
 * Prints an aligned table and, for scripts, "bench: NAME MIN MEDIAN" or "bench: NAME skipped".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "apic.h"
#include "multiboot.h"
#include "paging.h"
#include "smp.h"
#include "x86.h"

#define BENCH_RUNS	  1000
#define BENCH_TIMER_RUNS  100
#define BENCH_TIMER_LEAD  200000 /* ticks from arming to the deadline */
#define BENCH_OTHER_RUNS  200
#define BENCH_START_TICKS 100000000000ull /* the other processor has come up by then */
#define BENCH_OTHER_REST                                                        \
	100000 /* ticks in which the other one goes back to its loop, or to HLT \
		*/

/* Memory that nobody has touched. A touch of more ticks has left the guest. */
#define BENCH_PAGE	  4096
#define BENCH_TOUCH_TICKS 50
#define BENCH_SWEEP	  (PAGE_SIZE_2M / BENCH_PAGE)
#define BENCH_SWEEPS	  8
#define BENCH_NOT_LAZY	  "memory is not mapped so at a touch"

#define BENCH_GP_VECTOR	   13
#define BENCH_IPI_VECTOR   0x40
#define BENCH_TIMER_VECTOR 0x41
#define BENCH_INT_VECTOR   0x42

#define BENCH_HYPERCALL	     0x12345	/* no interface defines it */
#define BENCH_MSR_UNKNOWN    0x4b564dff /* in KVM's range, unassigned */
#define BENCH_PORT_UNCLAIMED 0x2f0

enum bench_apic { BENCH_ANY, BENCH_XAPIC, BENCH_X2APIC };

struct bench_row {
	const char *name, *title; /* title: the row's name in the table of peers */
	enum bench_apic apic;
	bool traps; /* an exception is what is measured */
	bool (*usable)(void);
	const char *lacks; /* why it is not; NULL: the processor */
	unsigned int (*run)(unsigned int runs);
};

struct bench_result {
	const char *skipped; /* why; NULL if the figures are there */
	uint64_t min, median;
};

static uint64_t bench_samples[BENCH_RUNS];
static uint64_t bench_empty; /* median of the empty pair */
static uint64_t bench_value; /* what the operation under test writes */
static volatile unsigned int bench_irqs;
static volatile uint64_t bench_irq_tsc;

/* BENCH(name, code) defines a function that measures code, in line. It returns the sample count. */
#define BENCH(name, ...)                                    \
	static unsigned int bench_##name(unsigned int runs) \
	{                                                   \
		unsigned int i;                             \
		for (i = 0; i < runs; i++) {                \
			uint64_t start = rdtsc();           \
			__VA_ARGS__;                        \
			bench_samples[i] = rdtsc() - start; \
		}                                           \
		return runs;                                \
	}

/* Sends an interrupt to ourselves, interrupts being on, and waits until its handler ran. */
#define BENCH_SELF_IPI(send)              \
	unsigned int before = bench_irqs; \
	send;                             \
	while (bench_irqs == before)      \
		;

BENCH(nothing, )
BENCH(cpuid, cpuid(0, 0))
BENCH(vmcall, hypercall_intel(BENCH_HYPERCALL))
BENCH(vmmcall, hypercall_amd(BENCH_HYPERCALL))
BENCH(rdmsr_tsc_adjust, rdmsr(MSR_TSC_ADJUST))
BENCH(wrmsr_tsc_adjust, wrmsr(MSR_TSC_ADJUST, bench_value))
BENCH(wrmsr_pat, wrmsr(MSR_PAT, bench_value))
BENCH(rdmsr_unknown, rdmsr(BENCH_MSR_UNKNOWN))
BENCH(wrmsr_deadline, wrmsr(MSR_TSC_DEADLINE, bench_value))
BENCH(out_pic, outb(PIC_MASTER_DATA, 0xff))
BENCH(in_pic, inb(PIC_MASTER_DATA))
BENCH(out_unclaimed, outb(BENCH_PORT_UNCLAIMED, 0xff))
BENCH(in_unclaimed, inb(BENCH_PORT_UNCLAIMED))
BENCH(mmio_read, mmio_read32(IOAPIC_BASE))
BENCH(mmio_write, mmio_write32(IOAPIC_BASE, 0))
BENCH(xapic_read_id, mmio_read32(APIC_BASE + APIC_ID))
BENCH(xapic_write_esr, mmio_write32(APIC_BASE + APIC_ESR, 0))
BENCH(xapic_self_ipi,
      BENCH_SELF_IPI(mmio_write32(APIC_BASE + APIC_ICR, APIC_TO_SELF | BENCH_IPI_VECTOR)))
BENCH(x2apic_read_id, rdmsr(APIC_MSR(APIC_ID)))
BENCH(x2apic_read_tmcct, rdmsr(APIC_MSR(APIC_TMCCT)))
BENCH(x2apic_self_ipi, BENCH_SELF_IPI(wrmsr(APIC_MSR(APIC_ICR), APIC_TO_SELF | BENCH_IPI_VECTOR)))
BENCH(x2apic_self_msr, BENCH_SELF_IPI(wrmsr(APIC_MSR(APIC_SELF), BENCH_IPI_VECTOR)))
BENCH(xapic_hlt, mmio_write32(APIC_BASE + APIC_ICR, APIC_TO_SELF | BENCH_IPI_VECTOR); irq_wait())
BENCH(x2apic_hlt, wrmsr(APIC_MSR(APIC_ICR), APIC_TO_SELF | BENCH_IPI_VECTOR); irq_wait())
BENCH(wbinvd, __asm__ volatile("wbinvd" : : : "memory"))
BENCH(cr4_smep, cr4_write(bench_value ^= CR4_SMEP))
BENCH(cr4_osxsave, cr4_write(bench_value ^= CR4_OSXSAVE))
BENCH(software_int, __asm__ volatile("int %0" : : "i"(BENCH_INT_VECTOR) : "memory"))

/* Not a pair: how long after the deadline the timer's handler reads the TSC. */
static unsigned int bench_hlt_timer(unsigned int runs)
{
	unsigned int i;

	if (runs > BENCH_TIMER_RUNS)
		runs = BENCH_TIMER_RUNS;
	for (i = 0; i < runs; i++) {
		unsigned int before = bench_irqs;
		uint64_t deadline = rdtsc() + BENCH_TIMER_LEAD;

		wrmsr(MSR_TSC_DEADLINE, deadline);
		while (bench_irqs == before)
			irq_wait();
		bench_samples[i] = bench_irq_tsc > deadline ? bench_irq_tsc - deadline : 0;
		bench_samples[i] += bench_empty; /* no pair here to be taken away */
	}
	return runs;
}

/* What the other processor does until it is interrupted. */
static volatile bool bench_other_halts;

static void bench_other(struct smp_cpu *cpu __attribute__((unused)))
{
	apic_enable_x2apic();
	irq_enable();
	for (;;) {
		while (!bench_other_halts)
			__asm__ volatile("" : : : "memory");
		__asm__ volatile("hlt" : : : "memory");
	}
}

static bool bench_start_other(bool halts)
{
	static unsigned int processors;

	bench_other_halts = halts;
	if (!processors)
		processors = smp_init(bench_other);
	if (processors < 2)
		return false;
	return smp_cpus[1]->starts || smp_start_all(BENCH_START_TICKS);
}

static bool bench_has_other(void)
{
	return bench_start_other(false);
}

static bool bench_has_halted_other(void)
{
	return bench_start_other(true);
}

static void bench_rest(void)
{
	uint64_t start = rdtsc();

	while (rdtsc() - start < BENCH_OTHER_REST)
		;
}

/* Until this processor sees that the handler on the other one ran. */
static unsigned int bench_ipi_to_other(unsigned int runs)
{
	unsigned int i;

	if (runs > BENCH_OTHER_RUNS)
		runs = BENCH_OTHER_RUNS;
	for (i = 0; i < runs; i++) {
		unsigned int before = bench_irqs;
		uint64_t start;

		bench_rest();
		start = rdtsc();
		wrmsr(APIC_MSR(APIC_ICR), (uint64_t)smp_cpus[1]->apic_id << 32 | BENCH_IPI_VECTOR);
		while (bench_irqs == before)
			cpu_pause();
		bench_samples[i] = rdtsc() - start;
	}
	return runs;
}

/* --- memory that is mapped when it is touched --- */

static uint64_t bench_fresh, bench_fresh_end;

/*
 * So many bytes, a power of two, that nobody has touched, at a multiple of as many; 0: none are
 * left. They are taken from the upper half of what start.S maps.
 */
static uint64_t bench_take(uint64_t bytes)
{
	uint64_t start;

	if (!bench_fresh_end) {
		bench_fresh_end = multiboot_ram_end(0x100000000ull) & -PAGE_SIZE_2M;
		bench_fresh = bench_fresh_end / 2;
	}
	start = (bench_fresh + bytes - 1) & -bytes;
	if (start + bytes > bench_fresh_end)
		return 0;
	bench_fresh = start + bytes;
	return start;
}

static uint64_t bench_touch(uint64_t address)
{
	uint64_t start = rdtsc();

	*(volatile uint8_t *)address = 1;
	return rdtsc() - start;
}

enum bench_leaves { BENCH_MAPPED, BENCH_LEAVES_4K, BENCH_LEAVES_2M };

/* How the hypervisor maps what is touched; more pages than it may prefetch are between the two. */
static enum bench_leaves bench_leaves(void)
{
	uint64_t base = bench_take(PAGE_SIZE_2M);

	if (!base || bench_touch(base) < BENCH_TOUCH_TICKS)
		return BENCH_MAPPED;
	return bench_touch(base + PAGE_SIZE_2M / 2) < BENCH_TOUCH_TICKS ? BENCH_LEAVES_2M
									: BENCH_LEAVES_4K;
}

static bool bench_maps_4k(void)
{
	return bench_leaves() == BENCH_LEAVES_4K;
}

static bool bench_maps_2m(void)
{
	return bench_leaves() == BENCH_LEAVES_2M;
}

static unsigned int bench_touch_each(uint64_t bytes, unsigned int runs)
{
	unsigned int i;
	uint64_t page;

	for (i = 0; i < runs && (page = bench_take(bytes)); i++)
		bench_samples[i] = bench_touch(page);
	return i;
}

static unsigned int bench_touch_4k(unsigned int runs)
{
	return bench_touch_each(BENCH_PAGE, runs);
}

static unsigned int bench_touch_2m(unsigned int runs)
{
	return bench_touch_each(PAGE_SIZE_2M, runs);
}

/* All pages of a page table, one after the other: ticks for each, the table's own among them. */
static unsigned int bench_touch_sweep(unsigned int runs)
{
	unsigned int i, page;
	uint64_t base;

	for (i = 0; i < runs && i < BENCH_SWEEPS && (base = bench_take(PAGE_SIZE_2M)); i++) {
		uint64_t start = rdtsc();

		for (page = 0; page < BENCH_SWEEP; page++)
			*(volatile uint8_t *)(base + page * BENCH_PAGE) = 1;
		/* No pair for each of them. */
		bench_samples[i] = (rdtsc() - start) / BENCH_SWEEP + bench_empty;
	}
	return i;
}

static bool bench_can_tsc_adjust(void)
{
	return cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & 1u << 1 &&
	       rdmsr_try(MSR_TSC_ADJUST, &bench_value);
}

/* The leanest handler there can be, so that the row is not about trap_dispatch()'s table. */
static void bench_skip_rdmsr(struct trap_frame *frame)
{
	trap_last.count++;
	frame->rip += 2;
}

static bool bench_gp_on(void)
{
	trap_set_handler(BENCH_GP_VECTOR, bench_skip_rdmsr);
	return true;
}

static bool bench_can_pat(void)
{
	return cpuid(1, 0).edx & 1u << 16 && rdmsr_try(MSR_PAT, &bench_value);
}

static bool bench_can_deadline(void)
{
	if (!(cpuid(1, 0).ecx & 1u << 24))
		return false;
	apic_write(APIC_TIMER, APIC_TIMER_DEADLINE | BENCH_TIMER_VECTOR);
	bench_value = rdtsc() + 100000000000ull; /* not while we measure */
	return true;
}

static bool bench_can_smep(void)
{
	bench_value = cr4_read();
	return cpuid(0, 0).eax >= 7 && cpuid(7, 0).ebx & 1u << 7;
}

static bool bench_can_xsave(void)
{
	bench_value = cr4_read();
	return cpuid(1, 0).ecx & 1u << 26;
}

static bool bench_irqs_on(void)
{
	irq_enable();
	return true;
}

/* AuthenticAMD and HygonGenuine have VMMCALL. */
static bool bench_is_amd(void)
{
	uint32_t vendor = cpuid(0, 0).ebx;

	return vendor == 0x68747541 || vendor == 0x6f677948;
}

static bool bench_is_intel(void)
{
	return !bench_is_amd();
}

static const struct bench_row bench_rows[] = {
	{ "xapic-read-ID", "xAPIC MMIO read ID", BENCH_XAPIC, .run = bench_xapic_read_id },
	{ "xapic-write-ESR", "xAPIC MMIO write ESR", BENCH_XAPIC, .run = bench_xapic_write_esr },
	{ "xapic-self-IPI", "xAPIC self-IPI, to the handler", BENCH_XAPIC, .usable = bench_irqs_on,
	  .run = bench_xapic_self_ipi },
	{ "xapic-hlt-self-IPI", "xAPIC: HLT with a self-IPI pending", BENCH_XAPIC,
	  .run = bench_xapic_hlt },
	{ "cpuid", "cpuid", .run = bench_cpuid },
	{ "vmcall-unknown", "unknown hypercall (vmcall)", .usable = bench_is_intel,
	  .run = bench_vmcall },
	{ "vmmcall-unknown", "unknown hypercall (vmmcall)", .usable = bench_is_amd,
	  .run = bench_vmmcall },
	{ "rdmsr-TSC_ADJUST", "rdmsr TSC_ADJUST", .usable = bench_can_tsc_adjust,
	  .run = bench_rdmsr_tsc_adjust },
	{ "wrmsr-TSC_ADJUST", "wrmsr TSC_ADJUST", .usable = bench_can_tsc_adjust,
	  .run = bench_wrmsr_tsc_adjust },
	{ "wrmsr-PAT", "wrmsr PAT", .usable = bench_can_pat, .run = bench_wrmsr_pat },
	{ "rdmsr-unknown-GP", "rdmsr of an unknown MSR, #GP delivered", .traps = true,
	  .usable = bench_gp_on, .run = bench_rdmsr_unknown },
	{ "out-0x21", "out, port handled in the kernel (0x21)", .run = bench_out_pic },
	{ "in-0x21", "in, port handled in the kernel (0x21)", .run = bench_in_pic },
	{ "out-unclaimed", "out, unclaimed port", .run = bench_out_unclaimed },
	{ "in-unclaimed", "in, unclaimed port", .run = bench_in_unclaimed },
	{ "mmio-read", "MMIO read (I/O APIC select)", .run = bench_mmio_read },
	{ "mmio-write", "MMIO write (I/O APIC select)", .run = bench_mmio_write },
	{ "wbinvd", "wbinvd", .run = bench_wbinvd },
	{ "cr4-SMEP", "mov cr4 toggling SMEP", .usable = bench_can_smep, .run = bench_cr4_smep },
	{ "cr4-OSXSAVE", "mov cr4 toggling OSXSAVE", .usable = bench_can_xsave,
	  .run = bench_cr4_osxsave },
	{ "int-handler", "int n: the handler alone, no exit", .run = bench_software_int },
	{ "x2apic-read-ID", "x2APIC read ID", BENCH_X2APIC, .run = bench_x2apic_read_id },
	{ "x2apic-read-TMCCT", "x2APIC read current count", BENCH_X2APIC,
	  .run = bench_x2apic_read_tmcct },
	{ "x2apic-self-IPI", "x2APIC self-IPI, to the handler", BENCH_X2APIC,
	  .usable = bench_irqs_on, .run = bench_x2apic_self_ipi },
	{ "x2apic-SELF_IPI", "x2APIC self-IPI by its own MSR", BENCH_X2APIC,
	  .usable = bench_irqs_on, .run = bench_x2apic_self_msr },
	{ "hlt-self-IPI", "HLT with a self-IPI pending", BENCH_X2APIC, .run = bench_x2apic_hlt },
	{ "wrmsr-TSC_DEADLINE", "wrmsr TSC_DEADLINE", .usable = bench_can_deadline,
	  .run = bench_wrmsr_deadline },
	{ "hlt-TSCDL-200k", "HLT until a TSC-deadline timer 200k ticks away: lateness",
	  .usable = bench_can_deadline, .run = bench_hlt_timer },
	{ "touch-4K", "first touch of a 4 KiB page, backing present", .usable = bench_maps_4k,
	  .lacks = BENCH_NOT_LAZY, .run = bench_touch_4k },
	{ "touch-4K-sweep", "first touch of 512 pages of 4 KiB in a row, each",
	  .usable = bench_maps_4k, .lacks = BENCH_NOT_LAZY, .run = bench_touch_sweep },
	{ "touch-2M", "first touch of a 2 MiB page, backing present", .usable = bench_maps_2m,
	  .lacks = BENCH_NOT_LAZY, .run = bench_touch_2m },
	{ "ipi-running", "IPI to a running vCPU, to its handler (2 vCPUs)", BENCH_X2APIC,
	  .usable = bench_has_other, .run = bench_ipi_to_other },
	{ "ipi-halted", "IPI to a halted vCPU, to its handler (2 vCPUs)", BENCH_X2APIC,
	  .usable = bench_has_halted_other, .run = bench_ipi_to_other },
};
#define BENCH_ROWS (sizeof(bench_rows) / sizeof(bench_rows[0]))

static void bench_handle_irq(struct trap_frame *frame)
{
	bench_irq_tsc = rdtsc();
	bench_irqs++;
	if (frame->vector != BENCH_INT_VECTOR)
		apic_eoi();
}

static int bench_compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static bool bench_selected(const struct bench_row *row, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(row->name, argv[i]))
			return true;
	return argc <= 1;
}

/* Why ROW cannot be measured here; NULL if it can. Leaves everything ready for row->run(). */
static const char *bench_refuse(const struct bench_row *row)
{
	unsigned int traps = trap_last.count;

	if (row->apic == BENCH_XAPIC && apic_x2apic)
		return "the APIC is in x2APIC mode";
	if (row->apic == BENCH_X2APIC && !apic_x2apic && !apic_enable_x2apic())
		return "no x2APIC";
	if (row->usable && !row->usable())
		return row->lacks ? row->lacks : "not on this processor";
	row->run(1);
	if (!row->traps && trap_last.count != traps)
		return "exception";
	return row->traps && trap_last.count == traps ? "no exception" : NULL;
}

/* Undoes what row->usable() did. */
static void bench_clean(void)
{
	irq_disable();
	trap_set_handler(BENCH_GP_VECTOR, NULL);
}

/* Fills in RESULT, sorted samples left behind, the empty pair not yet taken away. */
static void bench_run(const struct bench_row *row, unsigned int runs, struct bench_result *result)
{
	unsigned int n = row->run(runs);

	bench_clean();
	qsort(bench_samples, n, sizeof(bench_samples[0]), bench_compare);
	result->min = bench_samples[0];
	result->median = bench_samples[n / 2];
}

static uint64_t bench_less_empty(uint64_t ticks)
{
	return ticks > bench_empty ? ticks - bench_empty : 0;
}

static void bench_measure(const struct bench_row *row, struct bench_result *result)
{
	result->skipped = bench_refuse(row);
	if (result->skipped) {
		bench_clean();
		printf("%-58s | skipped: %s\n", row->title, result->skipped);
		return;
	}
	bench_run(row, BENCH_RUNS, result);
	result->min = bench_less_empty(result->min);
	result->median = bench_less_empty(result->median);
	printf("%-58s | %8lu | %8lu\n", row->title, result->min, result->median);
}

/* The lines for scripts. Returns how many rows have figures. */
static int bench_print(const struct bench_row *row, const struct bench_result *result)
{
	if (result->skipped)
		printf("bench: %s skipped\n", row->name);
	else
		printf("bench: %s %lu %lu\n", row->name, result->min, result->median);
	return !result->skipped;
}

static void bench_prepare(void)
{
	static const struct bench_row nothing = { .run = bench_nothing };
	struct bench_result result;

	pic_init(0xffff);
	apic_enable();
	trap_set_handler(BENCH_IPI_VECTOR, bench_handle_irq);
	trap_set_handler(BENCH_TIMER_VECTOR, bench_handle_irq);
	trap_set_handler(BENCH_INT_VECTOR, bench_handle_irq);
	bench_run(&nothing, BENCH_RUNS, &result);
	bench_empty = result.median;
}

int main(int argc, char **argv)
{
	static struct bench_result results[BENCH_ROWS];
	int measured = 0;
	unsigned int i;

	bench_prepare();
	printf("%-58s | %8s | %8s\n", "name", "min", "median");
	for (i = 0; i < BENCH_ROWS; i++)
		if (bench_selected(&bench_rows[i], argc, argv))
			bench_measure(&bench_rows[i], &results[i]);
	printf("bench: empty-pair %lu %lu\n", bench_empty, bench_empty);
	for (i = 0; i < BENCH_ROWS; i++)
		if (bench_selected(&bench_rows[i], argc, argv))
			measured += bench_print(&bench_rows[i], &results[i]);
	return measured ? 0 : 1;
}
