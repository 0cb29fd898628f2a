/* The scheduler on one CPU: real stacks and switches, with the idle loop's HLT replaced. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "shim.h"

/* The C library has a sched_yield() too; the idle loop's HLT must come back here. */
#define sched_yield	  neap_sched_yield
#define cpu_sti_hlt_cli() idle_halt()
static void idle_halt(void);
#include "core/sched.c"

struct cpu *cpu_table[CPU_MAX];
static struct cpu cpu;
static struct thread thread[4];
static jmp_buf halted;
static unsigned halts, windows, kicks;
static char trace[256];
static void (*on_window)(void);

u32 cpu_count(void)
{
	return 1;
}

void trap_irq_window(void)
{
	windows++;
	if (on_window)
		on_window();
}

void apic_send_ipi(u32 apic_id, u8 vector)
{
	(void)apic_id;
	assert_int_equal(vector, VEC_KICK);
	kicks++;
}

void *kstack_alloc(void)
{
	char *p = aligned_alloc(16, 65536);

	return p ? p + 65536 : NULL;
}

/* Nothing is ready: back to the test, which is on the idle thread's stack as well. */
static void idle_halt(void)
{
	halts++;
	longjmp(halted, 1);
}

static void run_until_idle(void)
{
	if (setjmp(halted) == 0)
		sched_idle();
	assert_ptr_equal(sched_current(), cpu.idle);
}

static void note(const char *s)
{
	strncat(trace, s, sizeof(trace) - strlen(trace) - 1);
}

static int set_up(void **unused)
{
	(void)unused;
	memset(&cpu, 0, sizeof(cpu));
	memset(thread, 0, sizeof(thread));
	cpu.self = &cpu;
	cpu_table[0] = &cpu;
	shim_use_cpu(&cpu);
	sched_init_cpu();
	trace[0] = '\0';
	halts = windows = kicks = 0;
	on_window = NULL;
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(thread); i++) {
		if (thread[i].stack_top) {
			assert_true(sched_is_over(&thread[i]));
			free((char *)thread[i].stack_top - 65536);
		}
	}
	assert_int_equal(cpu.runqueue.length, 0);
	assert_false(timer_is_armed(&slice_timers[0]));
	return 0;
}

static void create(unsigned i, void (*fn)(void *), void *arg)
{
	assert_int_equal(sched_create(&thread[i], "t", 0, fn, arg), 0);
	assert_false(sched_is_over(&thread[i]));
}

/* What is posted to a thread before it is started waits for it; it runs when it is started. */
static void look(void *arg)
{
	(void)arg;
	note(READ_ONCE(sched_current()->pending) & BIT(1) ? "posted" : "nothing");
}

static void test_post_before_start(void **unused)
{
	(void)unused;
	assert_int_equal(sched_prepare(&thread[0], "t", 0, look, NULL), 0);
	sched_post(&thread[0], BIT(1));
	run_until_idle();
	assert_string_equal(trace, "");
	assert_int_equal(thread[0].state, THREAD_NEW);
	assert_false(sched_is_over(&thread[0]));
	sched_start(&thread[0]);
	run_until_idle();
	assert_string_equal(trace, "posted");
	assert_true(sched_is_over(&thread[0]));
}

static void three_turns(void *arg)
{
	for (unsigned i = 0; i < 3; i++) {
		note(arg);
		sched_yield();
	}
}

static void test_turns(void **unused)
{
	(void)unused;
	create(0, three_turns, "a");
	create(1, three_turns, "b");
	create(2, three_turns, "c");
	assert_string_equal(trace, ""); /* nothing runs before its turn */
	run_until_idle();
	assert_string_equal(trace, "abcabcabc");
	assert_int_equal(halts, 1);
}

/* Alone, a yield comes straight back, and no slice timer runs. */
static void alone(void *arg)
{
	(void)arg;
	assert_false(timer_is_armed(&slice_timers[0]));
	sched_yield();
	assert_ptr_equal(sched_current(), &thread[0]);
	assert_false(timer_is_armed(&slice_timers[0]));
	note("x");
}

static void test_alone(void **unused)
{
	(void)unused;
	create(0, alone, NULL);
	run_until_idle();
	assert_string_equal(trace, "x");
}

static struct thread *went;

static void note_gone(struct thread *t)
{
	assert_true(sched_is_over(t));
	assert_ptr_not_equal(sched_current(), t);
	went = t;
	note("g");
}

/* Whoever runs next tells that a thread is gone, from another stack; one that only waits is not. */
static void test_gone(void **unused)
{
	(void)unused;
	went = NULL;
	create(0, three_turns, "a");
	create(1, three_turns, "b");
	thread[0].gone = note_gone;
	run_until_idle();
	assert_string_equal(trace, "abababg");
	assert_ptr_equal(went, &thread[0]);
}

/* Within a long piece of work: others have a turn when the slice is over, not before. */
static void work_long(void *arg)
{
	(void)arg;
	note("1");
	sched_pause();
	note("2");
	atomic_fetch_or(&sched_current()->pending, (u32)THREAD_RESCHED);
	sched_pause();
	note("3");
}

static void test_pause(void **unused)
{
	(void)unused;
	create(0, work_long, NULL);
	create(1, three_turns, "o");
	windows = 0;
	run_until_idle();
	assert_string_equal(trace, "12o3oo");
}

/* With company the slice ends: the timer says so to whoever runs. */
static void slice(void *arg)
{
	(void)arg;
	if (cpu.runqueue.length == 0)
		return;
	assert_true(timer_is_armed(&slice_timers[0]));
	assert_false(READ_ONCE(sched_current()->pending) & THREAD_RESCHED);
	shim_run_until(time_now() + time_ns_to_ticks(SCHED_SLICE_NS) - 1);
	assert_false(READ_ONCE(sched_current()->pending) & THREAD_RESCHED);
	shim_run_until(time_now() + 1);
	assert_true(READ_ONCE(sched_current()->pending) & THREAD_RESCHED);
	sched_preempt();
	assert_false(READ_ONCE(sched_current()->pending) & THREAD_RESCHED);
	note("s");
}

static void test_slice(void **unused)
{
	(void)unused;
	create(0, slice, NULL);
	create(1, slice, NULL);
	run_until_idle();
	assert_string_equal(trace, "ss");
}

#define WORK  BIT(1)
#define OTHER BIT(2)

static void worker(void *arg)
{
	u32 rounds = *(u32 *)arg;

	for (u32 i = 0; i < rounds; i++) {
		while (!(READ_ONCE(sched_current()->pending) & WORK))
			sched_block(WORK);
		atomic_fetch_and(&sched_current()->pending, ~(u32)WORK);
		note("w");
	}
}

static void test_block_and_post(void **unused)
{
	u32 rounds = 3;

	(void)unused;
	create(0, worker, &rounds);
	run_until_idle();
	assert_int_equal(thread[0].state, THREAD_BLOCKED);
	run_until_idle(); /* stays asleep */
	assert_string_equal(trace, "");
	/* A bit nobody asked for wakes it too, to look; it goes back to sleep. */
	sched_post(&thread[0], OTHER);
	assert_int_equal(thread[0].state, THREAD_READY);
	run_until_idle();
	assert_string_equal(trace, "");
	/* Twice before it runs is once. */
	sched_post(&thread[0], WORK);
	sched_post(&thread[0], WORK);
	assert_int_equal(cpu.runqueue.length, 1);
	run_until_idle();
	assert_string_equal(trace, "w");
	sched_post(&thread[0], WORK);
	run_until_idle();
	sched_post(&thread[0], WORK);
	run_until_idle();
	assert_string_equal(trace, "www");
	assert_true(sched_is_over(&thread[0]));
	/* To the dead: nothing happens. */
	sched_post(&thread[0], BIT(3));
	assert_int_equal(cpu.runqueue.length, 0);
	assert_int_equal(kicks, 0); /* never to the own CPU */
}

/* A post before the block, or to itself: the block returns at once. */
static void early(void *arg)
{
	(void)arg;
	sched_post(sched_current(), WORK);
	sched_block(WORK);
	note("e");
}

static void test_post_first(void **unused)
{
	u32 rounds = 1;

	(void)unused;
	create(0, early, NULL);
	create(1, worker, &rounds);
	sched_post(&thread[1], WORK);
	run_until_idle();
	assert_string_equal(trace, "ew");
}

/* Two threads hand a ball back and forth: no wake-up is lost in many rounds. */
static unsigned passes;

static void player(void *arg)
{
	struct thread *other = arg;

	for (unsigned i = 0; i < 20000; i++) {
		while (!(READ_ONCE(sched_current()->pending) & WORK))
			sched_block(WORK);
		atomic_fetch_and(&sched_current()->pending, ~(u32)WORK);
		passes++;
		sched_post(other, WORK);
	}
}

static void test_ping_pong(void **unused)
{
	(void)unused;
	passes = 0;
	create(0, player, &thread[1]);
	create(1, player, &thread[0]);
	sched_post(&thread[0], WORK);
	run_until_idle();
	assert_int_equal(passes, 40000);
}

/* An interrupt wakes a thread while idle looks for work: it is found without a HLT. */
static void wake_in_window(void)
{
	if (thread[0].state == THREAD_BLOCKED)
		sched_post(&thread[0], WORK);
}

static void test_wake_from_interrupt(void **unused)
{
	u32 rounds = 50;

	(void)unused;
	on_window = wake_in_window;
	create(0, worker, &rounds);
	run_until_idle();
	assert_int_equal(strlen(trace), 50);
	assert_int_equal(halts, 1);
}

/* A thread that starts another; the callee-saved registers survive all the switches. */
static void parent(void *arg)
{
	u64 sum = 0, step = (u64)(uintptr_t)arg;

	create(1, three_turns, "b");
	for (unsigned i = 0; i < 5; i++) {
		sum += step * i;
		sched_yield();
	}
	assert_int_equal(sum, 10 * step);
	note("p");
}

static void test_create_from_thread(void **unused)
{
	(void)unused;
	create(0, parent, (void *)0x123456789);
	run_until_idle();
	assert_string_equal(trace, "bbbp");
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_turns),
		T(test_post_before_start),
		T(test_alone),
		T(test_gone),
		T(test_pause),
		T(test_slice),
		T(test_block_and_post),
		T(test_post_first),
		T(test_ping_pong),
		T(test_wake_from_interrupt),
		T(test_create_from_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
