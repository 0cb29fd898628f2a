/* Ticket locks and atomic operations: mutual exclusion, tickets in turn, sums that add up. */
#include "torture.h"

#include "core/spinlock.h"
#include "core/time.h"

#define HELD_LOOPS 8
#define HANG_AFTER 100
#define FAULT_NS   100000000ull

/* Plain accesses under the lock: whoever is let in beside another shows. */
static struct {
	struct spinlock lock;
	u32 last; /* ticket of the last holder */
	u32 inside;
	u64 a, b;
} guarded;

static u64 added, exchanged, flags, token, token_uses;

enum { LOCKED, ADDED, EXCHANGED, TOKENS };

static void use(struct torture_worker *w)
{
	u64 a = guarded.a;

	TORTURE_CHECK(guarded.inside++ == 0, "a lock has two holders");
	TORTURE_CHECK(guarded.b == 3 * a, "%lu is not 3 * %lu", guarded.b, a);
	for (u32 i = torture_random(w, HELD_LOOPS); i; i--)
		cpu_relax();
	guarded.a = a + 1;
	guarded.b += 3;
	guarded.inside--;
	w->count[LOCKED]++;
}

/* What holds the lock is served in the order of tickets; no more wait than there are CPUs. */
static void check_tickets(void)
{
	u32 owner = READ_ONCE(guarded.lock.owner), next = READ_ONCE(guarded.lock.next);

	TORTURE_CHECK(owner == guarded.last + 1, "ticket %u is served after %u", owner,
		      guarded.last);
	TORTURE_CHECK(next - owner - 1 < cpu_count(), "%u tickets are out, for %u CPUs",
		      next - owner, cpu_count());
	guarded.last = owner;
}

static void locked(struct torture_worker *w)
{
	if (w->operations % 4)
		spin_lock(&guarded.lock);
	else if (!spin_trylock(&guarded.lock))
		return;
	check_tickets();
	use(w);
	spin_unlock(&guarded.lock);
}

static void atomics(struct torture_worker *w)
{
	u64 mine = BIT(w->cpu % 64), old = READ_ONCE(exchanged);

	atomic_fetch_add(&added, w->cpu + 1);
	w->count[ADDED] += w->cpu + 1;
	while (!atomic_cmpxchg(&exchanged, &old, old * 5 + 1))
		;
	w->count[EXCHANGED]++;
	if (cpu_count() <= 64) {
		TORTURE_CHECK(!(atomic_fetch_or(&flags, mine) & mine), "a bit is set already");
		TORTURE_CHECK(atomic_fetch_and(&flags, ~mine) & mine, "a bit is lost");
	}
	/* Who takes the token has it alone. */
	if (atomic_xchg(&token, 0)) {
		token_uses++;
		w->count[TOKENS]++;
		store_release(&token, 1);
	}
}

/* An increment without the lock, which gives another CPU's a chance to come in between. */
static void make_fault(struct torture_worker *w)
{
	u64 a = READ_ONCE(guarded.a), limit = time_now() + time_ns_to_ticks(FAULT_NS);

	while (READ_ONCE(guarded.a) == a && time_now() < limit)
		cpu_relax();
	WRITE_ONCE(guarded.a, a + 1);
	w->count[LOCKED]++;
}

static void begin(void)
{
	guarded.lock = (struct spinlock)SPINLOCK_INIT;
	guarded.last = UINT32_MAX;
	guarded.inside = 0;
	guarded.a = guarded.b = 0;
	added = exchanged = flags = token_uses = 0;
	token = 1;
}

static void work(struct torture_worker *w)
{
	bool fault = torture_fault("lock"), hang = torture_fault("hang") && w->cpu == 0;

	while (torture_going(w)) {
		if (hang && w->operations == HANG_AFTER)
			spin_lock(&guarded.lock); /* for good */
		if (fault && w->cpu == 0 && w->operations % 64 == 0)
			make_fault(w);
		locked(w);
		atomics(w);
	}
}

/* What `n` steps of old * 5 + 1 from 0 come to. */
static u64 exchanged_after(u64 n)
{
	u64 value = 0;

	while (n--)
		value = value * 5 + 1;
	return value;
}

static void end(void)
{
	TORTURE_CHECK(guarded.a == torture_sum(LOCKED), "%lu increments under a lock gave %lu",
		      torture_sum(LOCKED), guarded.a);
	TORTURE_CHECK(guarded.lock.next == guarded.lock.owner, "a lock stays held");
	TORTURE_CHECK(added == torture_sum(ADDED), "additions of %lu gave %lu", torture_sum(ADDED),
		      added);
	TORTURE_CHECK(exchanged == exchanged_after(torture_sum(EXCHANGED)),
		      "a compare-exchange was lost");
	TORTURE_CHECK(token_uses == torture_sum(TOKENS), "%lu uses of a token gave %lu",
		      torture_sum(TOKENS), token_uses);
	TORTURE_CHECK(!flags, "bits stay set: 0x%lx", flags);
}

const struct torture_part part_lock = { "lock", begin, work, end };
