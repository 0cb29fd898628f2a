/*
 * The I/O APIC and its device memory. The first processor routes two pins to one after another: the
 * 8254's, an edge a millisecond, and the UART's as a level, which stays until its cause is read.
 * All the others read device memory meanwhile.
 */
#include "acpi.h"
#include "pit.h"
#include "storm.h"
#include "uart.h"

#define SELECT	   IOAPIC_BASE
#define WINDOW	   (IOAPIC_BASE + 0x10)
#define PIN_LEVEL  0x8000u
#define PIN_MASKED 0x10000u
#define ID_LIMIT   255u /* a pin's destination has 8 bits */

#define PIT_PERIOD   (PIT_HZ / 1000)
#define PIT_EDGES    4u
#define LEVELS_MAX   3u
#define UART_THRE_ON 2u
#define UART_IIR     (UART_PORT + 2)

enum round_state { ROUND_NOT, ROUND_RUNS, ROUND_FENCE, ROUND_ENDS };

/* What the first processor is at. */
static struct {
	enum round_state state;
	bool level;
	struct storm_cpu *target;
	uint64_t start, since;
} round;

static volatile uint32_t pit_open, pit_count;
static volatile uint32_t level_expect; /* interrupts that still have to come */
static unsigned int ioapic_pit_pin, ioapic_uart_pin;

static void ioapic_error(const char *what, unsigned int vector, uint64_t a, uint64_t b)
{
	error_record(&(struct storm_error){ .what = what,
					    .part = PART_IOAPIC,
					    .vector = (int)vector,
					    .from = NOBODY,
					    .to = (int)round.target->index,
					    .since = round.since,
					    .a = a,
					    .b = b });
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(SELECT, reg);
	mmio_write32(WINDOW, value);
}

static void ioapic_route(unsigned int pin, const struct storm_cpu *target, uint32_t low)
{
	ioapic_write(0x11 + 2 * pin, target->smp->apic_id << 24);
	ioapic_write(0x10 + 2 * pin, low);
}

static void ioapic_mask(unsigned int pin)
{
	ioapic_write(0x10 + 2 * pin, PIN_MASKED);
}

static void pit_handle(struct trap_frame *frame __attribute__((unused)))
{
	struct storm_cpu *c = storm_this();

	if (!pit_open || round.target != c)
		ioapic_error("spurious: an edge at (cpu)", VECTOR_PIT, c->index, pit_open);
	pit_count++;
	c->count[PART_IOAPIC].sent++;
	c->count[PART_IOAPIC].arrived++;
	apic_eoi();
}

/* The level is there until IIR is read, which is left to the last time. */
static void level_handle(struct trap_frame *frame __attribute__((unused)))
{
	struct storm_cpu *c = storm_this();

	if (!level_expect || round.target != c)
		ioapic_error("spurious: a level at (cpu)", VECTOR_LEVEL, c->index, level_expect);
	else if (level_expect == 1)
		inb(UART_IIR);
	if (level_expect)
		level_expect--;
	c->count[PART_IOAPIC].arrived++;
	apic_eoi();
}

static void round_begin(struct storm_cpu *c)
{
	struct storm_cpu *target = storm_random_cpu(c);
	bool there;

	send_begin(c);
	there = target->gate && target->smp->apic_id < ID_LIMIT;
	if (there)
		__atomic_fetch_add(&target->refs, 1, __ATOMIC_SEQ_CST);
	send_end(c);
	if (!there)
		return;
	round.target = target;
	round.level = storm_random(c, 2);
	round.start = round.since = rdtsc();
	round.state = ROUND_RUNS;
	if (round.level) {
		level_expect = 1 + storm_random(c, LEVELS_MAX);
		c->count[PART_IOAPIC].sent += level_expect;
		ioapic_route(ioapic_uart_pin, target, PIN_LEVEL | VECTOR_LEVEL);
		outb(UART_IER, UART_THRE_ON);
	} else {
		pit_count = 0;
		pit_open = 1;
		ioapic_route(ioapic_pit_pin, target, VECTOR_PIT);
		pit_start(PIT_PERIOD);
	}
}

/* Edges that fall due together are one; more than fell due there cannot be. */
static void pit_check_count(void)
{
	uint64_t periods = (rdtsc() - round.start) / (storm_hz / (PIT_HZ / PIT_PERIOD)) + 2;

	if (pit_count > periods + periods / 1000)
		ioapic_error("too many edges: they and the periods", VECTOR_PIT, pit_count,
			     periods);
}

static void round_run(void)
{
	if (round.level ? level_expect != 0 : pit_count < PIT_EDGES)
		return;
	if (round.level) {
		outb(UART_IER, 0);
		ioapic_mask(ioapic_uart_pin);
	} else {
		pit_stop();
		ioapic_mask(ioapic_pit_pin);
		pit_check_count();
	}
	round.since = rdtsc();
	round.state = ROUND_FENCE;
}

/*
 * An interrupt of the lowest priority, sent behind the last of the pin: when it is answered none of
 * those can be under way any more.
 */
static void round_fence(struct storm_cpu *c)
{
	struct storm_cpu *target = round.target;

	if (slot_send_closed(c, target, SLOT_FENCE))
		round.state = ROUND_ENDS;
}

static void round_end(void)
{
	if (round.target->slot[SLOT_FENCE])
		return;
	pit_open = 0;
	__atomic_fetch_sub(&round.target->refs, 1, __ATOMIC_SEQ_CST);
	round.state = ROUND_NOT;
}

static void round_step(struct storm_cpu *c, bool stop)
{
	if (round.state != ROUND_NOT && rdtsc() - round.since > storm_timeout)
		ioapic_error("lost: state, and edges or levels to come",
			     round.level ? VECTOR_LEVEL : VECTOR_PIT, round.state,
			     round.level ? level_expect : pit_count);
	switch (round.state) {
	case ROUND_NOT:
		if (!stop)
			round_begin(c);
		break;
	case ROUND_RUNS:
		round_run();
		break;
	case ROUND_FENCE:
		round_fence(c);
		break;
	case ROUND_ENDS:
		round_end();
		break;
	}
}

static void ioapic_step(struct storm_cpu *c, bool stop)
{
	if (c->index == 0) {
		round_step(c, stop);
	} else if (!stop) {
		mmio_read32(SELECT);
		if (apic_id() != c->smp->apic_id)
			error_record(&(struct storm_error){ .what = "reads another's APIC id",
							    .part = PART_IOAPIC,
							    .vector = NOBODY,
							    .from = NOBODY,
							    .to = (int)c->index,
							    .a = apic_id() });
	}
}

static bool ioapic_is_idle(const struct storm_cpu *c)
{
	return c->index || round.state == ROUND_NOT;
}

void ioapic_init(void)
{
	ioapic_pit_pin = acpi_irq_pin(0);
	ioapic_uart_pin = acpi_irq_pin(UART_IRQ);
	trap_set_handler(VECTOR_PIT, pit_handle);
	trap_set_handler(VECTOR_LEVEL, level_handle);
}

const struct storm_part_ops part_ioapic = { "ioapic", ioapic_step, ioapic_is_idle };
