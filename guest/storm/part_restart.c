/*
 * A processor is taken off and started again by INIT and start-up IPI, wherever it is: running, in
 * HLT, with interrupts on or off. What was outstanding for it is void, and nothing of it may show
 * behind the start. One at a time, and never the first, which INIT would send to the firmware.
 */
#include "storm.h"

#define PAUSE_US 50u

static volatile uint64_t restart_lock;

static void restart_error(const struct storm_restart *r, const char *what, uint64_t a, uint64_t b)
{
	error_record(&(struct storm_error){ .what = what,
					    .part = PART_RESTART,
					    .vector = NOBODY,
					    .from = NOBODY,
					    .to = (int)r->target->index,
					    .since = r->since,
					    .a = a,
					    .b = b });
}

static void restart_begin(struct storm_cpu *c)
{
	struct storm_cpu *target = storm_random_cpu(c);
	uint64_t free = 0;

	if (!target->index || target == c || restart_lock ||
	    !__atomic_compare_exchange_n(&restart_lock, &free, 1, false, __ATOMIC_SEQ_CST,
					 __ATOMIC_SEQ_CST))
		return;
	c->restart = (struct storm_restart){ .state = RESTART_CLOSING,
					     .target = target,
					     .since = rdtsc() };
	c->count[PART_RESTART].sent++;
	target->gate = 0;
	storm_mb(); /* pairs with send_begin()'s */
}

/* When nobody sends to it any more it is told to come to an end with what it does. */
static void restart_close(struct storm_restart *r)
{
	while (r->checked < smp_count && !storm_cpus[r->checked].sending)
		r->checked++;
	if (r->checked < smp_count)
		return;
	r->target->retire = 1;
	worker_kick(r->target);
	r->state = RESTART_RETIRING;
}

static void restart_pause(struct storm_cpu *c)
{
	uint64_t start = rdtsc(), ticks = storm_random(c, PAUSE_US) * (storm_hz / 1000000);

	while (rdtsc() - start < ticks)
		cpu_pause();
}

/* At once, or with pauses; with a second start-up IPI or without, which must do nothing. */
static void restart_send(struct storm_cpu *c)
{
	struct storm_restart *r = &c->restart;
	bool pauses = storm_random(c, 2);

	if (r->target->smp->starts != r->target->expected_starts)
		restart_error(r, "started without having been told: expected and started",
			      r->target->expected_starts, r->target->smp->starts);
	r->target->expected_starts++;
	restart_pause(c);
	smp_send_init(r->target->smp);
	if (pauses)
		restart_pause(c);
	smp_send_startup(r->target->smp);
	if (pauses && storm_random(c, 2)) {
		restart_pause(c);
		smp_send_startup(r->target->smp);
	}
	r->state = RESTART_WAITING;
}

static void restart_end(struct storm_cpu *c)
{
	c->restart.state = RESTART_NOT;
	c->count[PART_RESTART].arrived++;
	__atomic_store_n(&restart_lock, 0, __ATOMIC_SEQ_CST);
}

static void restart_step(struct storm_cpu *c, bool stop)
{
	struct storm_restart *r = &c->restart;

	if (r->state != RESTART_NOT && rdtsc() - r->since > storm_timeout)
		restart_error(r, r->state == RESTART_WAITING ? "does not start" :
							       "does not come to an end",
			      r->checked, r->target->refs);
	switch (r->state) {
	case RESTART_NOT:
		if (!stop && smp_count > 1)
			restart_begin(c);
		break;
	case RESTART_CLOSING:
		restart_close(r);
		break;
	case RESTART_RETIRING:
		if (r->target->halting == HALT_FOR_NMI)
			slot_send_closed(c, r->target, SLOT_NMI);
		if (r->target->retired)
			restart_send(c);
		break;
	case RESTART_WAITING:
		if (r->target->gate)
			restart_end(c);
		break;
	}
}

static bool restart_is_idle(const struct storm_cpu *c)
{
	return c->restart.state == RESTART_NOT;
}

const struct storm_part_ops part_restart = { "restart", restart_step, restart_is_idle };
