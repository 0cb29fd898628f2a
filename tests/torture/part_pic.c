/*
 * The pair of 8259s: all CPUs raise edges and levels; one thread acknowledges and ends them, asleep
 * until the output says that there is something. Every rise is seen, and nothing is spurious.
 */
#include "torture.h"

#include "core/panic.h"
#include "core/spinlock.h"
#include "core/time.h"
#include "hv/dev/pic.h"
#include "hv/io_bus.h"
#include "mm/heap.h"

#define INT	     BIT(1)
#define STOP	     BIT(2)
#define MASTER_BASE  0x08
#define SLAVE_BASE   0x70
#define MASTER_PORT  0x20
#define SLAVE_PORT   0xa0
#define ELCR_PORT    0x4d0
#define EOI	     0x20
#define LEVEL_INPUTS 0x0e20u /* 5, 9, 10, 11 */
/* The cascade, and the two that a spurious interrupt is told as. */
#define NOT_USED   (1u << 2 | 1u << 7 | 1u << 15)
#define WAIT_EVERY 16

struct device {
	struct spinlock lock; /* guards the wire */
	u64 risen, seen, acks;
};

static struct {
	struct pic pic;
	struct io_bus bus;
	struct thread thread;
	struct device device[PIC_IRQ_COUNT];
} * p;

static void output(void *ctx __unused, bool level)
{
	if (level)
		sched_post(&p->thread, INT);
}

static bool is_level(unsigned irq)
{
	return LEVEL_INPUTS >> irq & 1;
}

static void serve(int vector)
{
	unsigned irq = vector >= SLAVE_BASE ? (unsigned)vector - SLAVE_BASE + 8
					    : (unsigned)vector - MASTER_BASE;
	struct device *d;

	if (irq >= PIC_IRQ_COUNT || (NOT_USED >> irq & 1)) {
		torture_fail("vector 0x%x: nobody raised that", (unsigned)vector);
		return;
	}
	d = &p->device[irq];
	if (is_level(irq))
		spin_lock(&d->lock);
	d->acks++;
	TORTURE_CHECK(d->acks <= READ_ONCE(d->risen), "IRQ %u came %lu times, and rose %lu times",
		      irq, d->acks, d->risen);
	WRITE_ONCE(d->seen, READ_ONCE(d->risen));
	if (is_level(irq)) {
		pic_set_irq(&p->pic, irq, false);
		spin_unlock(&d->lock);
	}
	if (irq >= 8)
		io_bus_write(&p->bus, SLAVE_PORT, 1, EOI);
	io_bus_write(&p->bus, MASTER_PORT, 1, EOI);
}

static void processor(void *arg __unused)
{
	for (;;) {
		u32 bits = atomic_fetch_and(&p->thread.pending, ~(u32)(INT | STOP));

		while (pic_pending(&p->pic) && !torture_failed())
			serve(pic_ack(&p->pic));
		if (bits & STOP)
			return;
		sched_yield();
		sched_block(INT | STOP);
	}
}

static void begin(void)
{
	p = torture_alloc(sizeof(*p));
	pic_init(&p->pic, output, NULL);
	if (pic_attach(&p->pic, &p->bus))
		panic("torture: no place for the PIC");
	io_bus_write(&p->bus, MASTER_PORT + 1, 1, NOT_USED & 0xfb & 0xff);
	io_bus_write(&p->bus, SLAVE_PORT + 1, 1, NOT_USED >> 8);
	io_bus_write(&p->bus, ELCR_PORT, 1, LEVEL_INPUTS & 0xff);
	io_bus_write(&p->bus, ELCR_PORT + 1, 1, LEVEL_INPUTS >> 8);
	torture_spawn(&p->thread, "processor", cpu_count() - 1, processor, NULL);
}

static void rise(unsigned irq)
{
	struct device *d = &p->device[irq];

	spin_lock(&d->lock);
	atomic_fetch_add(&d->risen, 1);
	pic_set_irq(&p->pic, irq, true);
	if (!is_level(irq))
		pic_set_irq(&p->pic, irq, false);
	spin_unlock(&d->lock);
}

static void wait_seen(unsigned irq)
{
	struct device *d = &p->device[irq];
	u64 limit = torture_patience(), risen = READ_ONCE(d->risen);

	while (READ_ONCE(d->seen) < risen && torture_waiting())
		TORTURE_CHECK(time_now() < limit,
			      "IRQ %u rose %lu times, %lu were seen; output %u, thread: state %u, "
			      "pending 0x%x",
			      irq, risen, d->seen, pic_pending(&p->pic), (unsigned)p->thread.state,
			      p->thread.pending);
}

static void work(struct torture_worker *w)
{
	while (torture_going(w)) {
		unsigned irq = torture_random(w, PIC_IRQ_COUNT);

		if (NOT_USED >> irq & 1)
			continue;
		rise(irq);
		if (w->operations % WAIT_EVERY == 0)
			wait_seen(irq);
	}
	torture_meet(w);
	if (w->cpu)
		return;
	for (unsigned irq = 0; irq < PIC_IRQ_COUNT; irq++)
		wait_seen(irq);
	sched_post(&p->thread, STOP);
	torture_join(&p->thread);
}

static void end(void)
{
	TORTURE_CHECK(!pic_pending(&p->pic), "the output stays up");
	for (unsigned i = 0; i < 2; i++)
		TORTURE_CHECK(!p->pic.chip[i].isr, "chip %u: in service 0x%x", i,
			      p->pic.chip[i].isr);
	heap_free(p);
}

const struct torture_part part_pic = { "pic", begin, work, end };
