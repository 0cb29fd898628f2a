/*
 * Slots: one word for each target and kind of message, 0 or (TSC << 12 | sender + 1). The sender
 * sets it before it sends and the target's handler clears it, so that a word that stays is a lost
 * message, and a handler that finds none has come once too often.
 *
 * A target that is to be restarted closes its gate first. Who looks at gates says so in `sending`
 * before: whoever closed one waits until all were seen not sending, and knows then that nothing
 * comes any more (the fences of send_begin() and part_restart.c pair).
 */
#include "storm.h"

#define WORD_SHIFT 12
_Static_assert(SMP_MAX_CPUS < 1u << WORD_SHIFT, "the sender's bits");

#define FORGET_EVERY 1000 /* fault=lose */

static const struct {
	uint8_t vector, part;
} slot_kinds[SLOT_COUNT] = {
	[SLOT_PHYSICAL] = { VECTOR_PHYSICAL, PART_IPI },
	[SLOT_LOGICAL] = { VECTOR_LOGICAL, PART_IPI },
	[SLOT_ALL] = { VECTOR_ALL, PART_IPI },
	[SLOT_REST] = { VECTOR_REST, PART_IPI },
	[SLOT_SELF] = { VECTOR_SELF, PART_IPI },
	[SLOT_SELF_MSR] = { VECTOR_SELF_MSR, PART_IPI },
	[SLOT_TLB] = { VECTOR_TLB, PART_TLB },
	[SLOT_WAKE] = { VECTOR_WAKE, PART_HALT },
	[SLOT_FENCE] = { VECTOR_FENCE, PART_IOAPIC },
	[SLOT_NMI] = { VECTOR_NMI, PART_NMI },
};

static uint8_t slot_of_vector[256];

unsigned int slot_vector(enum storm_slot slot)
{
	return slot_kinds[slot].vector;
}

enum storm_part slot_part(enum storm_slot slot)
{
	return (enum storm_part)slot_kinds[slot].part;
}

static bool slot_set(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot)
{
	uint64_t free = 0;

	if (!__atomic_compare_exchange_n(&target->slot[slot], &free,
					 rdtsc() << WORD_SHIFT | (c->index + 1), false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	c->count[slot_part(slot)].sent++;
	return true;
}

bool slot_claim(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot)
{
	return target->gate && !target->slot[slot] && slot_set(c, target, slot);
}

void slot_release(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot)
{
	c->count[slot_part(slot)].sent--;
	__atomic_store_n(&target->slot[slot], 0, __ATOMIC_SEQ_CST);
}

void send_begin(struct storm_cpu *c)
{
	c->sending = 1;
	storm_mb();
}

void send_end(struct storm_cpu *c)
{
	__atomic_store_n(&c->sending, 0, __ATOMIC_RELEASE);
}

static void slot_transmit(const struct storm_cpu *target, enum storm_slot slot)
{
	uint32_t command = slot == SLOT_NMI ? APIC_NMI : slot_vector(slot);

	apic_send(command | APIC_ASSERT, target->smp->apic_id);
}

bool slot_send(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot)
{
	bool claimed;

	send_begin(c);
	claimed = slot_claim(c, target, slot);
	if (claimed)
		slot_transmit(target, slot);
	send_end(c);
	return claimed;
}

bool slot_send_closed(struct storm_cpu *c, struct storm_cpu *target, enum storm_slot slot)
{
	if (target->slot[slot] || !slot_set(c, target, slot))
		return false;
	slot_transmit(target, slot);
	return true;
}

/* fault=lose: the word stays as it was. */
static bool slot_forgets(struct storm_cpu *c)
{
	return storm_options.fault == FAULT_LOSE && ++c->forgotten % FORGET_EVERY == 0;
}

/* Counted first: who finds all words clear adds up what has arrived. */
static void slot_acknowledge(struct storm_cpu *c, enum storm_slot slot)
{
	if (!c->slot[slot]) {
		error_record(&(struct storm_error){ .what = "spurious: nobody has sent it",
						    .part = (int)slot_part(slot),
						    .vector = (int)slot_vector(slot),
						    .from = NOBODY,
						    .to = (int)c->index });
		return;
	}
	c->count[slot_part(slot)].arrived++;
	if (!slot_forgets(c))
		__atomic_store_n(&c->slot[slot], 0, __ATOMIC_SEQ_CST);
}

static void slot_handle(struct trap_frame *frame)
{
	struct storm_cpu *c = storm_this();
	enum storm_slot slot = (enum storm_slot)slot_of_vector[frame->vector];

	if (slot == SLOT_WAKE)
		c->wake = 1;
	if (slot != SLOT_TLB || tlb_handle(c))
		slot_acknowledge(c, slot);
	apic_eoi();
}

static void slot_handle_nmi(struct trap_frame *frame)
{
	struct storm_cpu *c = storm_this();

	halt_handle_nmi(c, frame);
	if (!error_handle_nmi(c, frame))
		slot_acknowledge(c, SLOT_NMI);
}

void slot_void(struct storm_cpu *c)
{
	unsigned int i;

	for (i = 0; i < SLOT_COUNT; i++)
		if (__atomic_exchange_n(&c->slot[i], 0, __ATOMIC_SEQ_CST))
			c->count[slot_part((enum storm_slot)i)].voided++;
}

void slot_init(void)
{
	unsigned int i;

	for (i = 0; i < SLOT_COUNT; i++) {
		unsigned int vector = slot_kinds[i].vector;

		slot_of_vector[vector] = (uint8_t)i;
		trap_set_handler(vector, vector == VECTOR_NMI ? slot_handle_nmi : slot_handle);
	}
}

void slot_watch(struct storm_cpu *target)
{
	unsigned int i;

	for (i = 0; i < SLOT_COUNT; i++) {
		uint64_t word = target->slot[i], since = word >> WORD_SHIFT;

		if (!word || !target->gate || rdtsc() < since + storm_timeout)
			continue;
		if (target->slot[i] != word) /* this one stood still meanwhile */
			continue;
		error_record(
			&(struct storm_error){ .what = "lost: it was not answered",
					       .part = (int)slot_part((enum storm_slot)i),
					       .vector = (int)slot_vector((enum storm_slot)i),
					       .from = (int)(word & ((1u << WORD_SHIFT) - 1)) - 1,
					       .to = (int)target->index,
					       .since = since });
	}
}

bool slot_any(void)
{
	unsigned int i, j;

	for (i = 0; i < smp_count; i++)
		for (j = 0; j < SLOT_COUNT; j++)
			if (storm_cpus[i].slot[j])
				return true;
	return false;
}
