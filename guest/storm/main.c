/*
 * storm: many processors that send each other all kinds of interrupts, halt, wake, and restart each
 * other, and check that each event comes exactly once. Exit status 0; 1 if something was lost, came
 * twice, early, or from nowhere. docs/testing.md.
 *
 * Words: seconds=S (of the TSC's time, for all), seed=N, only=PART,..., timeout=MS, mode=xapic or
 * x2apic, cluster (xAPIC's other logical model), fault=lose, spurious or stale.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "storm.h"

#define START_SECONDS	 30
#define TIMEOUT_DEFAULT	 5000 /* ms */
#define MIXED_WEIGHT	 3    /* of the phase with all parts, against those alone */
#define XAPIC_LIMIT	 255  /* ids from here on need x2APIC mode */
#define LEAF_TSC	 0x15
#define FREQUENCY_UNSURE 1000000000ull

struct storm_options storm_options = { .seconds = 1, .seed = 1, .timeout_ms = TIMEOUT_DEFAULT };
struct storm_phase storm_phase = { .over = 1 };
struct storm_cpu *storm_cpus;
uint64_t storm_hz, storm_timeout;

const struct storm_part_ops *const storm_parts[PART_COUNT] = {
	[PART_IPI] = &part_ipi,		[PART_NMI] = &part_nmi,	  [PART_TLB] = &part_tlb,
	[PART_TIMER] = &part_timer,	[PART_HALT] = &part_halt, [PART_RESTART] = &part_restart,
	[PART_IOAPIC] = &part_ioapic,
};

/* xorshift64* */
uint32_t storm_random(struct storm_cpu *c, uint32_t limit)
{
	c->random ^= c->random >> 12;
	c->random ^= c->random << 25;
	c->random ^= c->random >> 27;
	return (uint32_t)((c->random * 0x2545f4914f6cdd1dull >> 32) * limit >> 32);
}

struct storm_cpu *storm_random_cpu(struct storm_cpu *c)
{
	return &storm_cpus[storm_random(c, smp_count)];
}

/* --- options --- */

static void main_complain(const char *what, const char *word)
{
	iprintf("storm: %s: %s\n", what, word);
	exit(1);
}

static void main_parse_only(char *names)
{
	char *name, *rest;
	unsigned int i;

	for (name = strtok_r(names, ",", &rest); name; name = strtok_r(NULL, ",", &rest)) {
		for (i = 0; i < PART_COUNT && strcmp(name, storm_parts[i]->name) != 0; i++)
			;
		if (i == PART_COUNT)
			main_complain("no such part", name);
		storm_options.only |= 1u << i;
	}
}

static enum storm_fault main_parse_fault(const char *name)
{
	if (!strcmp(name, "lose"))
		return FAULT_LOSE;
	if (!strcmp(name, "spurious"))
		return FAULT_SPURIOUS;
	if (!strcmp(name, "stale"))
		return FAULT_STALE;
	main_complain("no such fault", name);
	return FAULT_NONE;
}

static void main_parse(char *word)
{
	char *value = strchr(word, '=');

	value = value ? value + 1 : word + strlen(word);
	if (!strncmp(word, "seconds=", 8))
		storm_options.seconds = strtod(value, NULL);
	else if (!strncmp(word, "seed=", 5))
		storm_options.seed = strtoull(value, NULL, 0);
	else if (!strncmp(word, "timeout=", 8))
		storm_options.timeout_ms = (uint32_t)strtoul(value, NULL, 0);
	else if (!strncmp(word, "only=", 5))
		main_parse_only(value);
	else if (!strncmp(word, "fault=", 6))
		storm_options.fault = main_parse_fault(value);
	else if (!strcmp(word, "mode=xapic"))
		storm_options.no_x2apic = true;
	else if (!strcmp(word, "mode=x2apic"))
		storm_options.no_xapic = true;
	else if (!strcmp(word, "cluster"))
		storm_options.cluster = true;
	else
		main_complain("what is this", word);
}

/* --- what is there --- */

static uint64_t main_tsc_hz(void)
{
	struct cpuid c = { 0 };

	if (cpuid(0, 0).eax >= LEAF_TSC)
		c = cpuid(LEAF_TSC, 0);
	return c.eax && c.ebx && c.ecx ? (uint64_t)c.ecx * c.ebx / c.eax : FREQUENCY_UNSURE;
}

static void main_ignore(struct trap_frame *frame __attribute__((unused)))
{
	apic_eoi();
}

static void main_init(void)
{
	unsigned int i;

	storm_hz = main_tsc_hz();
	storm_timeout = storm_hz / 1000 * storm_options.timeout_ms;
	pic_init(0xffff);
	apic_enable();
	smp_init(worker_enter);
	storm_cpus = memalign(64, smp_count * sizeof(*storm_cpus));
	if (!storm_cpus)
		main_complain("no memory", "for the processors");
	memset(storm_cpus, 0, smp_count * sizeof(*storm_cpus));
	for (i = 0; i < smp_count; i++) {
		struct storm_cpu *c = &storm_cpus[i];

		c->smp = smp_cpus[i];
		c->index = i;
		c->random = (storm_options.seed << 16) + i * 0x9e3779b97f4a7c15ull + 1;
		c->expected_starts = 1;
	}
	slot_init();
	ipi_init();
	tlb_init();
	timer_init();
	ioapic_init();
	trap_set_handler(VECTOR_KICK, main_ignore);
}

/* --- phases --- */

static struct storm_count main_sum(unsigned int part)
{
	struct storm_count sum = { 0 };
	unsigned int i;

	for (i = 0; i < smp_count; i++) {
		sum.sent += storm_cpus[i].count[part].sent;
		sum.arrived += storm_cpus[i].count[part].arrived;
		sum.voided += storm_cpus[i].count[part].voided;
	}
	return sum;
}

static bool main_all_parked(void)
{
	unsigned int i;

	for (i = 1; i < smp_count; i++)
		if (storm_cpus[i].done != storm_phase.number ||
		    storm_cpus[i].halting != HALT_PARKED)
			return false;
	return true;
}

/* Who halts for somebody is woken; the last of the answers come in. */
static void main_finish_phase(struct storm_cpu *c)
{
	uint64_t start = rdtsc();

	while (!main_all_parked() || slot_any() || !ipi_all_lowest_idle()) {
		part_halt.step(c, true);
		c->beat = rdtsc();
		error_check(c);
		if (rdtsc() - start > 2 * storm_timeout)
			error_record(&(struct storm_error){ .what = "the phase does not end",
							    .part = NOBODY,
							    .vector = NOBODY,
							    .from = NOBODY,
							    .to = NOBODY,
							    .since = start });
		cpu_pause();
	}
}

static void main_run_phase(const char *name, uint32_t parts, uint64_t ticks)
{
	struct storm_cpu *c = &storm_cpus[0];
	struct storm_count before[PART_COUNT];
	unsigned int i;

	for (i = 0; i < PART_COUNT; i++)
		before[i] = main_sum(i);
	storm_phase.parts = parts;
	storm_phase.length = ticks;
	storm_phase.start = rdtsc();
	storm_phase.over = 0;
	__atomic_fetch_add(&storm_phase.number, 1, __ATOMIC_SEQ_CST);
	worker_kick_all();
	worker_run(c);
	main_finish_phase(c);
	c->done = storm_phase.number;
	iprintf("storm: %s %s:", apic_x2apic ? "x2apic" : "xapic", name);
	for (i = 0; i < PART_COUNT; i++) {
		struct storm_count sum = main_sum(i);

		if (sum.sent != before[i].sent)
			iprintf(" %s %lu", storm_parts[i]->name, sum.sent - before[i].sent);
	}
	iprintf(" in %lu ms\n", (rdtsc() - storm_phase.start) / (storm_hz / 1000));
}

static uint32_t main_parts(void)
{
	return storm_options.only ? storm_options.only : (1u << PART_COUNT) - 1;
}

/* Each part alone, and then all. */
static void main_run_mode(double seconds)
{
	uint32_t parts = main_parts();
	unsigned int alone = 0, i;
	uint64_t share;

	for (i = 0; i < PART_COUNT; i++)
		alone += parts >> i & 1;
	share = (uint64_t)(seconds * (double)storm_hz / (alone + MIXED_WEIGHT));

	if (alone == 1)
		share *= 1 + MIXED_WEIGHT;
	for (i = 0; i < PART_COUNT; i++)
		if (parts >> i & 1)
			main_run_phase(storm_parts[i]->name, 1u << i, share);
	if (alone > 1)
		main_run_phase("all", parts, share * MIXED_WEIGHT);
}

/* One interrupt for each, wherever its loop is: whoever can be started can be reached. */
static void main_greet(void)
{
	struct storm_cpu *c = &storm_cpus[0];
	unsigned int i;

	irq_enable();
	main_finish_phase(c);
	for (i = 0; i < smp_count; i++)
		slot_send(c, &storm_cpus[i], SLOT_PHYSICAL);
	main_finish_phase(c);
	if (main_sum(PART_IPI).arrived < smp_count)
		main_complain("not greeted", "one of the vCPUs");
	iprintf("storm: %u vCPUs greeted in %s mode\n", smp_count, apic_x2apic ? "x2apic" : "xapic");
}

static void main_start(bool x2apic)
{
	struct storm_cpu *c = &storm_cpus[0];

	if (x2apic && !apic_enable_x2apic())
		main_complain("there is no", "x2APIC");
	logical_set_id(c);
	c->gate = 1;
	if (!smp_start_all(storm_hz * START_SECONDS))
		main_complain("not started", "one of the vCPUs");
	main_greet();
}

static int main_print(void)
{
	uint64_t events = 0;
	unsigned int i;

	for (i = 0; i < PART_COUNT; i++) {
		struct storm_count sum = main_sum(i);

		events += sum.arrived;
		if (main_parts() >> i & 1)
			iprintf("storm: %s: sent %lu, arrived %lu, void %lu, lost 0, spurious 0\n",
				storm_parts[i]->name, sum.sent, sum.arrived, sum.voided);
	}
	iprintf("storm: %lu events, 0 lost, 0 spurious\n", events);
	return 0;
}

int main(int argc, char **argv)
{
	bool xapic, x2apic;
	int i;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 1; i < argc; i++)
		main_parse(argv[i]);
	main_init();
	xapic = !storm_options.no_xapic && smp_cpus[smp_count - 1]->apic_id < XAPIC_LIMIT;
	x2apic = !storm_options.no_x2apic || !xapic;
	iprintf("storm: %u vCPUs, TSC %lu kHz, seed %lu\n", smp_count, storm_hz / 1000,
		storm_options.seed);
	main_start(!xapic);
	if (xapic)
		main_run_mode(x2apic ? storm_options.seconds / 2 : storm_options.seconds);
	if (xapic && x2apic) {
		worker_switch(&storm_cpus[0]);
		main_greet();
	}
	if (x2apic)
		main_run_mode(xapic ? storm_options.seconds / 2 : storm_options.seconds);
	return main_print();
}
