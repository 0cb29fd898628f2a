#include "arch/x86/tsc_sync.h"

#include "arch/x86/tsc.h"
#include "core/atomic.h"
#include "core/log.h"
#include "core/patience.h"
#include "core/time.h"

#define ROUNDS_MAX 64u
#define ROUNDS_MIN 4u /* also if they take longer than this: */
#define ROUNDS_NS  2000000ull
#define MOVES_MAX  4u
/* Rounds that were held up say little: there are more of them, as long as this, until the gap is
 * narrow. */
#define NARROW_NS  20000ull
#define HELD_UP_NS 30000000ull
/* All that the boot processor gives to one processor. Either may be stopped for a while. */
#define ANSWER_NS 10000000000ull
/* Between two looks whether it takes too long: the loops are short, and so the gaps are. */
#define POLLS 256u
_Static_assert(ROUNDS_MIN >= 1 && ROUNDS_MIN <= ROUNDS_MAX, "something is measured");

/*
 * A question is the processor's number above and the round's below, so that an answer meant for
 * another one, who came late, is no answer. Each word has one writer: the processor that asks has
 * `question`, `result` and `over`, the boot processor the others. It takes the processors by
 * ascending numbers.
 */
static struct {
	u64 question; /* release, after its writer has read its counter */
	u64 answered; /* release, after `tsc`: the question that it belongs to */
	u64 tsc;
	u64 over;     /* release, after `result`: the number of who is done */
	u64 given_up; /* the last one that the boot processor did not wait for any longer */
} __aligned(64) channel;

/*
 * Where the asking counter is: between `low` and `high` ahead of the boot processor's. Every answer
 * was given after its question and before the asker saw it, so these bounds hold for certain,
 * however long the round took.
 */
struct tsc_gap {
	s64 low, high;
};

static struct {
	struct tsc_gap gap; /* in the end */
	s64 moved;	    /* ticks ahead that it was found to be, at first; 0: left alone */
	bool measured;
} result;

static u32 compared, failed; /* processors */
static u64 widest;	     /* gap of those that agree, ticks */

static u64 key(u32 cpu, u32 round)
{
	return (u64)cpu << 32 | round;
}

static bool is_given_up(u64 cpu)
{
	return load_acquire(&channel.given_up) >= cpu;
}

/* One question; false when no answer will come. The boot processor's patience bounds the wait. */
static bool ask_once(u64 question, struct tsc_gap *gap)
{
	u64 before = tsc_read_ordered(), after, theirs;
	u32 polls = 0;

	/* Release and acquire: pair with those in tsc_sync_answer(). */
	store_release(&channel.question, question);
	while (load_acquire(&channel.answered) != question) {
		if (++polls % POLLS == 0 && is_given_up(question >> 32))
			return false;
		cpu_relax();
	}
	after = tsc_read_ordered();
	theirs = READ_ONCE(channel.tsc);
	gap->low = MAX(gap->low, (s64)(before - theirs));
	gap->high = MIN(gap->high, (s64)(after - theirs));
	return true;
}

static bool is_narrow(const struct tsc_gap *gap)
{
	return (u64)gap->high - (u64)gap->low < time_ns_to_ticks(NARROW_NS);
}

/* A number of rounds, bounded in time; *round goes on over all measurements. */
static bool measure(u32 cpu, u32 *round, struct tsc_gap *gap)
{
	u64 start = tsc_read();

	*gap = (struct tsc_gap){ INT64_MIN, INT64_MAX };
	for (u32 i = 0; i < ROUNDS_MAX; i++) {
		u64 limit = time_ns_to_ticks(is_narrow(gap) ? ROUNDS_NS : HELD_UP_NS);

		if (i >= ROUNDS_MIN && tsc_read() - start > limit)
			break;
		if (!ask_once(key(cpu, ++*round), gap))
			return false;
	}
	return true;
}

static bool agrees(const struct tsc_gap *gap)
{
	return gap->low <= 0 && gap->high >= 0;
}

/*
 * Moves the calling processor's counter. IA32_TSC_ADJUST is exact (SDM vol. 3 18.17.3); without it
 * the counter itself is written, and loses the ticks from its reading to the end of the write.
 */
static void move(s64 by)
{
	if (cpu_features.tsc_adjust)
		wrmsr(MSR_TSC_ADJUST, rdmsr(MSR_TSC_ADJUST) + (u64)by);
	else
		wrmsr(MSR_TSC, tsc_read() + (u64)by);
}

/* Until it agrees: a second move makes up for what a write lost, which the first one shows. */
static void synchronize(u32 cpu)
{
	u32 round = 0, moves = 0;
	s64 ahead, lost = 0;

	result.moved = 0;
	result.measured = measure(cpu, &round, &result.gap);
	while (result.measured && !agrees(&result.gap) && moves < MOVES_MAX) {
		ahead = result.gap.low + (result.gap.high - result.gap.low) / 2;
		if (moves++)
			lost -= ahead;
		else
			result.moved = ahead;
		move(lost - ahead);
		result.measured = measure(cpu, &round, &result.gap);
	}
}

void tsc_sync_ask(u32 cpu)
{
	synchronize(cpu);
	if (is_given_up(cpu))
		return;
	/* Release: pairs with the acquire in tsc_sync_answer(); the result is there. */
	store_release(&channel.over, (u64)cpu);
}

static void note_failure(u32 cpu, const char *why)
{
	failed++;
	log_warn("time: the TSC of CPU %u %s: clocks of what runs there go wrong", cpu, why);
}

static void note(u32 cpu)
{
	const struct tsc_gap *gap = &result.gap;

	compared++;
	if (!result.measured) {
		note_failure(cpu, "cannot be compared");
		return;
	}
	if (!agrees(gap)) {
		log_warn("time: CPU %u: %ld to %ld ticks ahead", cpu, gap->low, gap->high);
		note_failure(cpu, "differs and cannot be set");
		return;
	}
	widest = MAX(widest, (u64)MAX(gap->high, -gap->low));
	if (result.moved)
		log_info("time: the TSC of CPU %u was %ld ticks ahead, and was set by %s", cpu,
			 result.moved, cpu_features.tsc_adjust ? "IA32_TSC_ADJUST" : "IA32_TSC");
}

void tsc_sync_answer(u32 cpu)
{
	u64 last = key(cpu, 0), question;
	struct patience patience;
	u32 polls = 0;

	patience_begin(&patience, ANSWER_NS);
	while (load_acquire(&channel.over) != cpu) {
		question = load_acquire(&channel.question);
		if (question >> 32 == cpu && question != last) {
			WRITE_ONCE(channel.tsc, tsc_read_ordered());
			store_release(&channel.answered, question);
			last = question;
		} else if (++polls % POLLS == 0 && patience_is_over(&patience)) {
			store_release(&channel.given_up, (u64)cpu);
			compared++;
			note_failure(cpu, "is not compared");
			return;
		}
		cpu_relax();
	}
	note(cpu);
}

void tsc_sync_print(void)
{
	if (compared > failed)
		log_info("time: TSCs of %u processors agree within %lu ticks",
			 compared - failed + 1, widest);
	if (!cpu_features.tsc_invariant)
		log_info("time: the TSC is not said to be invariant: on a processor that stops it "
			 "or "
			 "changes its speed, all clocks go wrong");
}
