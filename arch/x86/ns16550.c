#include "arch/x86/ns16550.h"

#include <errno.h>

#include "core/time.h"

#define LCR_8N1	 0x03
#define LCR_DLAB 0x80

#define FCR_ENABLE  0x01
#define FCR_CLEAR   0x06
#define IIR_FIFOS   0xc0
#define IIR_NONE    0x01
#define IIR_ID	    0x0e
#define IIR_ID_MSR  0x00
#define IIR_ID_THRE 0x02
#define IIR_ID_LSR  0x06

#define MCR_DTR	 0x01
#define MCR_RTS	 0x02
#define MCR_OUT2 0x08 /* on PCs the gate of the interrupt line */
#define MCR_LOOP 0x10
#define MSR_CTS	 0x10
#define MSR_DCD	 0x80

#define LSR_DR	 0x01
#define LSR_THRE 0x20
#define LSR_TEMT 0x40

#define IER_RX 0x01
#define IER_TX 0x02

#define BITS_PER_BYTE 10 /* with start and stop bit */
#define SLOWEST_BAUD  9600u
/* Ticks per second while the clock is not calibrated: more than any processor has. */
#define TSC_HZ_UPPER 6000000000ull
/* Ends a wait even if the clock stood still; a register access takes about a microsecond. */
#define WAIT_MAX_READS 4000000u
#define PAUSES	       64u
/* Ends a wait for the lock even if the clock stood still. */
#define LOCK_MAX_TRIES (1u << 28)
/* One look at the clock counts for a tenth of a second at most: this CPU may have been stopped in
 * between, and then not have looked at what it waits for. */
#define STEPS_PER_SEC 10

static u8 get(const struct ns16550 *u, enum ns16550_reg reg)
{
	return u->read(u, reg);
}

static void set(const struct ns16550 *u, enum ns16550_reg reg, u8 value)
{
	u->write(u, reg, value);
}

static u64 clock_hz(void)
{
	return time_hz() ? time_hz() : TSC_HZ_UPPER;
}

/* As core/patience.h, also before the clock is calibrated. */
struct wait {
	u64 last, left; /* ticks */
};

static struct wait wait_begin(u64 ticks)
{
	return (struct wait){ time_now(), ticks };
}

static bool is_over(struct wait *w)
{
	u64 now = time_now(), passed = now > w->last ? now - w->last : 0;
	u64 step = MIN(passed, clock_hz() / STEPS_PER_SEC);

	w->last = now;
	w->left -= MIN(step, w->left);
	return w->left == 0;
}

/* The lock's holder can be a CPU that has died; or one that is stopped for a while, and goes on. */
static bool lock_bounded(struct ns16550 *u)
{
	struct wait w = wait_begin(clock_hz() * NS16550_LOCK_SECONDS);

	for (unsigned i = 0; i < LOCK_MAX_TRIES && !READ_ONCE(u->lock_lost); i++) {
		if (spin_trylock(&u->lock))
			return true;
		if (is_over(&w))
			break;
		cpu_relax();
	}
	WRITE_ONCE(u->lock_lost, true);
	return false;
}

static void unlock(struct ns16550 *u, bool locked)
{
	if (locked)
		spin_unlock(&u->lock);
}

/* Twice the time in which a full FIFO drains. */
static u64 drain_ticks(const struct ns16550 *u)
{
	u64 baud = u->baud ? u->baud : SLOWEST_BAUD;

	return clock_hz() * 2 * NS16550_FIFO_SIZE * BITS_PER_BYTE / baud;
}

/* Whoever takes the bytes (an emulator's thread, firmware behind a serial port over a network) may
 * stand still for a while. */
static u64 stall_ticks(const struct ns16550 *u)
{
	return clock_hz() * NS16550_STALL_SECONDS + drain_ticks(u);
}

/* A byte takes 87 us and more to leave: there is no use in looking all the time, and each look
 * costs an emulator much more than an instruction. Together they last some microseconds. */
static void pause_between_reads(void)
{
	for (unsigned i = 0; i < PAUSES; i++)
		cpu_relax();
}

static bool wait_status(const struct ns16550 *u, u8 bit, u64 ticks)
{
	struct wait w = wait_begin(ticks);

	for (unsigned i = 0; i < WAIT_MAX_READS; i++) {
		if (get(u, NS16550_LSR) & bit)
			return true;
		if (is_over(&w))
			return false;
		pause_between_reads();
	}
	return false;
}

static bool scratch_works(const struct ns16550 *u)
{
	set(u, NS16550_SCR, 0xa5);
	if (get(u, NS16550_SCR) != 0xa5)
		return false;
	set(u, NS16550_SCR, 0x5a);
	return get(u, NS16550_SCR) == 0x5a;
}

/* In loop-back OUT2 shows up as DCD and RTS as CTS, and the other two lines as low. */
static bool loopback_works(const struct ns16550 *u)
{
	u8 msr;

	set(u, NS16550_MCR, MCR_LOOP | MCR_OUT2 | MCR_RTS);
	msr = get(u, NS16550_MSR) & 0xf0;
	set(u, NS16550_MCR, 0);
	return msr == (MSR_DCD | MSR_CTS);
}

bool ns16550_probe(struct ns16550 *u, bool strict)
{
	bool scratch, loopback;

	/* Nothing there reads as all ones; and two bits of IER are always 0 on a 16550. */
	if (get(u, NS16550_LSR) == 0xff && get(u, NS16550_IER) == 0xff)
		return false;
	/* Let the firmware's last words out. */
	(void)wait_status(u, LSR_TEMT, clock_hz() / 50 + drain_ticks(u));
	scratch = scratch_works(u);
	loopback = loopback_works(u);
	return strict ? scratch && loopback : scratch || loopback;
}

static void set_baud(struct ns16550 *u)
{
	u32 clock = u->clock ? u->clock : NS16550_DEFAULT_CLOCK, divisor;

	if (!u->baud)
		return;
	divisor = (clock / 8 / u->baud + 1) / 2; /* rounded */
	divisor = MIN(MAX(divisor, 1u), 0xffffu);
	set(u, NS16550_LCR, LCR_DLAB | LCR_8N1);
	set(u, NS16550_DATA, (u8)divisor);
	set(u, NS16550_IER, (u8)(divisor >> 8));
}

void ns16550_setup(struct ns16550 *u)
{
	set_baud(u);
	set(u, NS16550_LCR, LCR_8N1);
	set(u, NS16550_IER, 0);
	u->ier = 0;
	/* An interrupt for each byte received. With a trigger level Bochs 2.7 makes up a byte of 0
	 * when more than that many were read at once: its timer of a pause runs on. */
	set(u, NS16550_FCR, FCR_ENABLE | FCR_CLEAR);
	u->fifo = (get(u, NS16550_IIR) & IIR_FIFOS) == IIR_FIFOS ? NS16550_FIFO_SIZE : 1;
	u->credit = 0;
	set(u, NS16550_MCR, MCR_DTR | MCR_RTS | MCR_OUT2);
}

/* Caller holds the lock. */
static unsigned refresh_credit(struct ns16550 *u)
{
	if (!u->credit && (get(u, NS16550_LSR) & LSR_THRE)) {
		u->credit = u->fifo;
		u->stalled = false;
	}
	return u->credit;
}

/* Caller holds the lock. */
static bool try_put(struct ns16550 *u, u8 byte)
{
	if (!refresh_credit(u))
		return false;
	u->credit--;
	set(u, NS16550_DATA, byte);
	return true;
}

size_t ns16550_room(struct ns16550 *u)
{
	size_t n;

	if (READ_ONCE(u->busy))
		return 0;
	spin_lock(&u->lock);
	n = refresh_credit(u);
	spin_unlock(&u->lock);
	return n;
}

bool ns16550_put(struct ns16550 *u, u8 byte)
{
	bool done;

	if (READ_ONCE(u->busy))
		return false;
	spin_lock(&u->lock);
	/* Again: a line may have begun since. */
	done = !READ_ONCE(u->busy) && try_put(u, byte);
	if (done)
		u->line_open = byte != '\n';
	spin_unlock(&u->lock);
	return done;
}

int ns16550_put_in_line(struct ns16550 *u, u8 byte, bool open)
{
	int err = -EAGAIN;

	if (READ_ONCE(u->busy))
		return err;
	spin_lock(&u->lock);
	if (READ_ONCE(u->busy)) {
		/* Again: a line may have begun since. */
	} else if (u->line_open != open) {
		err = -ESTALE;
	} else if (try_put(u, byte)) {
		u->line_open = byte != '\n';
		err = 0;
	}
	spin_unlock(&u->lock);
	return err;
}

bool ns16550_line_open(const struct ns16550 *u)
{
	return READ_ONCE(u->line_open);
}

int ns16550_get(struct ns16550 *u)
{
	int c = -1;
	u8 lsr;

	spin_lock(&u->lock);
	lsr = get(u, NS16550_LSR);
	/* All ones: the device is gone. */
	if (lsr != 0xff && (lsr & LSR_DR))
		c = get(u, NS16550_DATA);
	spin_unlock(&u->lock);
	return c;
}

void ns16550_set_irqs(struct ns16550 *u, bool rx, bool tx)
{
	u8 ier = (rx ? IER_RX : 0) | (tx ? IER_TX : 0);

	spin_lock(&u->lock);
	if (ier != u->ier) {
		u->ier = ier;
		set(u, NS16550_IER, ier);
	}
	spin_unlock(&u->lock);
}

/* Caller holds the lock. Setting a bit of IER counts as a new cause. */
static void rearm(struct ns16550 *u)
{
	set(u, NS16550_IER, 0);
	set(u, NS16550_IER, u->ier);
}

void ns16550_rearm_irqs(struct ns16550 *u)
{
	spin_lock(&u->lock);
	rearm(u);
	spin_unlock(&u->lock);
}

unsigned ns16550_pending(struct ns16550 *u)
{
	unsigned wants = 0;
	u8 iir;

	spin_lock(&u->lock);
	iir = get(u, NS16550_IIR);
	if (!(iir & IIR_NONE)) {
		switch (iir & IIR_ID) {
		case IIR_ID_THRE: /* taken back by this read */
			wants = NS16550_WANTS_TX;
			break;
		case IIR_ID_LSR:
			(void)get(u, NS16550_LSR);
			break;
		case IIR_ID_MSR:
			(void)get(u, NS16550_MSR);
			break;
		default: /* data, or data and a pause */
			wants = NS16550_WANTS_RX;
		}
	}
	spin_unlock(&u->lock);
	return wants;
}

/* The lock is held for one byte only, so that nobody waits for it as long as for a line. */
static void put_polled(struct ns16550 *u, u8 byte)
{
	bool locked = lock_bounded(u), done = try_put(u, byte), stalled = u->stalled;

	unlock(u, locked);
	if (done || stalled)
		return;
	done = wait_status(u, LSR_THRE, stall_ticks(u));
	locked = lock_bounded(u);
	if (!done)
		u->stalled = true;
	else
		(void)try_put(u, byte);
	unlock(u, locked);
}

void ns16550_write_polled(struct ns16550 *u, const char *s, size_t n)
{
	/* Busy: of a panic, which does without the log's lock. The other line never ends. */
	bool locked = lock_bounded(u), open = u->line_open || u->busy;

	/* Under the lock: from here on no byte of another one's gets in between. */
	WRITE_ONCE(u->busy, true);
	u->line_open = false;
	unlock(u, locked);
	if (open) {
		put_polled(u, '\r');
		put_polled(u, '\n');
	}
	for (; n; n--, s++) {
		if (*s == '\n')
			put_polled(u, '\r');
		put_polled(u, (u8)*s);
	}
	WRITE_ONCE(u->busy, false);
	/* Who came for room meanwhile was told that there is none, maybe on the last interrupt. */
	locked = lock_bounded(u);
	if (u->ier & IER_TX)
		rearm(u);
	unlock(u, locked);
}

void ns16550_wait_empty(struct ns16550 *u)
{
	if (!u->stalled)
		(void)wait_status(u, LSR_TEMT, stall_ticks(u));
}
