/*
 * TLB shootdowns of one page. Its frames hold the number of the shootdown that mapped them, and are
 * used in turn: who reads a smaller number than that of the last finished one has a stale entry.
 */
#include "paging.h"
#include "storm.h"

#define FRAMES	    4
#define PTE_P_RW    3ull
#define STALE_EVERY 16 /* fault=stale: shootdowns in which the entry stays what it was */

static char tlb_page[4096] __attribute__((aligned(4096)));
static char tlb_frames[FRAMES][4096] __attribute__((aligned(4096)));

static volatile uint64_t tlb_owner; /* index + 1 */
static volatile uint64_t tlb_number, tlb_finished;

static uint64_t tlb_read(void)
{
	return *(volatile uint64_t *)(void *)tlb_page;
}

static void tlb_map(uint64_t number)
{
	char *frame = tlb_frames[number % FRAMES];

	*(volatile uint64_t *)(void *)frame = number;
	if (storm_options.fault != FAULT_STALE || number % STALE_EVERY != 1)
		page_set_low((uintptr_t)tlb_page, (uintptr_t)frame | PTE_P_RW);
}

void tlb_refresh(void)
{
	page_invalidate((uintptr_t)tlb_page);
}

static void tlb_error(const struct storm_cpu *c, const char *what, uint64_t wanted, uint64_t got)
{
	error_record(&(struct storm_error){ .what = what,
					    .part = PART_TLB,
					    .vector = VECTOR_TLB,
					    .from = (int)tlb_owner - 1,
					    .to = (int)c->index,
					    .a = wanted,
					    .b = got });
}

bool tlb_handle(struct storm_cpu *c)
{
	uint64_t got;

	tlb_refresh();
	got = tlb_read();
	if (c->slot[SLOT_TLB] && got != tlb_number) {
		tlb_error(c, "stale: wanted and read", tlb_number, got);
		return false;
	}
	return true;
}

/* With its gate closed it is left out of shootdowns, as it is about to be restarted. */
static void tlb_check(const struct storm_cpu *c)
{
	uint64_t least = tlb_finished, got = tlb_read();

	if (got < least && c->gate)
		tlb_error(c, "stale behind the shootdown: wanted and read", least, got);
}

/* To all that are there: by a shorthand if that is everybody, one by one if not. */
static void tlb_shoot(struct storm_cpu *c)
{
	unsigned int i, claimed = 0;
	bool one_by_one = storm_random(c, 2);

	send_begin(c);
	tlb_map(tlb_number + 1);
	tlb_number++;
	storm_mb();
	tlb_refresh();
	for (i = 0; i < smp_count; i++)
		if (i != c->index)
			claimed += slot_claim(c, &storm_cpus[i], SLOT_TLB);
	if (claimed == smp_count - 1 && !one_by_one) {
		apic_send(APIC_TO_REST | APIC_ASSERT | VECTOR_TLB, 0);
	} else {
		for (i = 0; i < smp_count; i++)
			if (storm_cpus[i].slot[SLOT_TLB])
				apic_send(APIC_ASSERT | VECTOR_TLB, storm_cpus[i].smp->apic_id);
	}
	send_end(c);
}

static bool tlb_answered(void)
{
	unsigned int i;

	for (i = 0; i < smp_count; i++)
		if (storm_cpus[i].slot[SLOT_TLB])
			return false;
	return true;
}

static void tlb_step(struct storm_cpu *c, bool stop)
{
	uint64_t nobody = 0;

	tlb_check(c);
	if (c->tlb_busy) {
		if (!tlb_answered())
			return;
		tlb_finished = tlb_number;
		c->tlb_busy = false;
		__atomic_store_n(&tlb_owner, 0, __ATOMIC_SEQ_CST);
	} else if (!stop && !tlb_owner &&
		   __atomic_compare_exchange_n(&tlb_owner, &nobody, c->index + 1, false,
					       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		c->tlb_busy = true;
		tlb_shoot(c);
	}
}

static bool tlb_is_idle(const struct storm_cpu *c)
{
	return !c->tlb_busy;
}

void tlb_init(void)
{
	tlb_map(0);
	tlb_refresh();
}

const struct storm_part_ops part_tlb = { "tlb", tlb_step, tlb_is_idle };
