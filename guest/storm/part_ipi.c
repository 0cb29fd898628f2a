/* IPIs of each kind, from each to each; and NMIs. */
#include "storm.h"

#define MAX_GROUPS     (SMP_MAX_CPUS / 4)
#define MAX_MEMBERS    16u
#define SENDS	       4u /* in a step */
#define SPURIOUS_EVERY 100u

enum ipi_kind {
	IPI_PHYSICAL,
	IPI_LOGICAL,
	IPI_ALL,
	IPI_REST,
	IPI_SELF,
	IPI_SELF_MSR,
	IPI_LOWEST,
	IPI_KINDS
};

/*
 * Lowest priority: one of those it was sent to takes it, and the slot is the group's: 0, or (TSC <<
 * 16 | members).
 */
#define LOWEST_SHIFT 16
static volatile uint64_t ipi_lowest[MAX_GROUPS];

static void ipi_send_logical(struct storm_cpu *c, enum storm_slot slot)
{
	unsigned int group = storm_random(c, logical_groups()), i;
	uint32_t mask = 0, command = slot == SLOT_NMI ? APIC_NMI : slot_vector(slot);
	struct storm_cpu *target;

	send_begin(c);
	for (i = 0; i < MAX_MEMBERS; i++) {
		target = logical_member(group, i);
		if (target && storm_random(c, 2) && slot_claim(c, target, slot))
			mask |= 1u << i;
	}
	if (mask)
		apic_send(command | APIC_LOGICAL | APIC_ASSERT, logical_destination(group, mask));
	send_end(c);
}

/* All or none: what one of them has outstanding already stops it. */
static void ipi_send_broadcast(struct storm_cpu *c, enum storm_slot slot, uint32_t shorthand)
{
	unsigned int claimed, i;

	send_begin(c);
	for (claimed = 0; claimed < smp_count; claimed++) {
		if (slot == SLOT_REST && claimed == c->index)
			continue;
		if (!slot_claim(c, &storm_cpus[claimed], slot))
			break;
	}
	if (claimed == smp_count) {
		apic_send(shorthand | APIC_ASSERT | slot_vector(slot), 0);
	} else {
		for (i = 0; i < claimed; i++)
			if (slot != SLOT_REST || i != c->index)
				slot_release(c, &storm_cpus[i], slot);
	}
	send_end(c);
}

static void ipi_send_self(struct storm_cpu *c, enum storm_slot slot)
{
	send_begin(c);
	if (slot_claim(c, c, slot)) {
		if (slot == SLOT_SELF)
			apic_send(APIC_TO_SELF | APIC_ASSERT | VECTOR_SELF, 0);
		else
			apic_write(APIC_SELF, VECTOR_SELF_MSR);
	}
	send_end(c);
}

static void ipi_send_lowest(struct storm_cpu *c)
{
	unsigned int group = storm_random(c, logical_groups()), i;
	uint64_t free = 0;
	uint32_t mask = 0;

	send_begin(c);
	for (i = 0; i < MAX_MEMBERS; i++) {
		struct storm_cpu *target = logical_member(group, i);

		if (target && target->gate)
			mask |= 1u << i;
	}
	if (mask &&
	    __atomic_compare_exchange_n(&ipi_lowest[group], &free, rdtsc() << LOWEST_SHIFT | mask,
					false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
		c->count[PART_IPI].sent++;
		apic_send(APIC_LOWEST | APIC_LOGICAL | APIC_ASSERT | VECTOR_LOWEST,
			  logical_destination(group, mask));
	}
	send_end(c);
}

static void ipi_handle_lowest(struct trap_frame *frame __attribute__((unused)))
{
	struct storm_cpu *c = storm_this();

	c->count[PART_IPI].arrived++; /* first, as in slot.c */
	if (!__atomic_exchange_n(&ipi_lowest[logical_group(c)], 0, __ATOMIC_SEQ_CST))
		error_record(&(struct storm_error){ .what = "spurious: nobody has sent it",
						    .part = PART_IPI,
						    .vector = VECTOR_LOWEST,
						    .from = NOBODY,
						    .to = (int)c->index });
	apic_eoi();
}

/* fault=spurious: without a slot. */
static void ipi_send_spurious(struct storm_cpu *c)
{
	struct storm_cpu *target = storm_random_cpu(c);

	send_begin(c);
	if (target->gate && !target->slot[SLOT_PHYSICAL])
		apic_send(APIC_ASSERT | VECTOR_PHYSICAL, target->smp->apic_id);
	send_end(c);
}

static void ipi_send_one(struct storm_cpu *c)
{
	switch ((enum ipi_kind)storm_random(c, IPI_KINDS)) {
	case IPI_PHYSICAL:
		slot_send(c, storm_random_cpu(c), SLOT_PHYSICAL);
		break;
	case IPI_LOGICAL:
		if (logical_possible())
			ipi_send_logical(c, SLOT_LOGICAL);
		break;
	case IPI_ALL:
		ipi_send_broadcast(c, SLOT_ALL, APIC_TO_ALL);
		break;
	case IPI_REST:
		ipi_send_broadcast(c, SLOT_REST, APIC_TO_REST);
		break;
	case IPI_SELF:
		ipi_send_self(c, SLOT_SELF);
		break;
	case IPI_SELF_MSR:
		if (apic_x2apic)
			ipi_send_self(c, SLOT_SELF_MSR);
		break;
	default:
		if (logical_possible())
			ipi_send_lowest(c);
		break;
	}
}

static void ipi_step(struct storm_cpu *c, bool stop)
{
	unsigned int i;

	for (i = 0; i < SENDS && !stop; i++)
		ipi_send_one(c);
	if (storm_options.fault == FAULT_SPURIOUS && !stop && !storm_random(c, SPURIOUS_EVERY))
		ipi_send_spurious(c);
}

void ipi_watch(void)
{
	unsigned int group;

	for (group = 0; logical_possible() && group < logical_groups(); group++) {
		uint64_t word = ipi_lowest[group], since = word >> LOWEST_SHIFT;

		if (word && rdtsc() > since + storm_timeout && ipi_lowest[group] == word)
			error_record(&(struct storm_error){
				.what = "lost: nobody of the group (its number follows) took it",
				.part = PART_IPI,
				.vector = VECTOR_LOWEST,
				.from = NOBODY,
				.to = NOBODY,
				.since = since,
				.a = group });
	}
}

bool ipi_lowest_idle(const struct storm_cpu *c)
{
	return !logical_possible() || !(ipi_lowest[logical_group(c)] & logical_bit(c));
}

bool ipi_all_lowest_idle(void)
{
	unsigned int group;

	for (group = 0; logical_possible() && group < logical_groups(); group++)
		if (ipi_lowest[group])
			return false;
	return true;
}

void ipi_init(void)
{
	trap_set_handler(VECTOR_LOWEST, ipi_handle_lowest);
}

/* By id or by logical destination. */
static void nmi_step(struct storm_cpu *c, bool stop)
{
	if (stop)
		return;
	if (storm_random(c, 2) || !logical_possible())
		slot_send(c, storm_random_cpu(c), SLOT_NMI);
	else
		ipi_send_logical(c, SLOT_NMI);
}

/* What it has sent is the targets' business. */
const struct storm_part_ops part_ipi = { "ipi", ipi_step, NULL };
const struct storm_part_ops part_nmi = { "nmi", nmi_step, NULL };
