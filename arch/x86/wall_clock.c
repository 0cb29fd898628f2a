#include "arch/x86/wall_clock.h"

#include "arch/x86/pio.h"
#include "core/time.h"

#define CMOS_INDEX   0x70
#define CMOS_DATA    0x71
#define REG_A	     0x0a
#define REG_B	     0x0b
#define UPDATING     0x80
#define B_24H	     0x02
#define B_BINARY     0x04
#define HOUR_PM	     0x80
#define MAX_TRIES    8
#define UPDATE_POLLS 100000u /* an update takes 2 ms; this bounds a clock that is not there */
#define EPOCH_2000   946684800ull

static u64 boot_seconds, boot_ticks;

static u8 cmos(u8 reg)
{
	outb(CMOS_INDEX, reg);
	return inb(CMOS_DATA);
}

struct reading {
	u8 second, minute, hour, day, month, year, century;
};

static void read_once(struct reading *r, u8 century_index)
{
	for (unsigned i = 0; (cmos(REG_A) & UPDATING) && i < UPDATE_POLLS; i++)
		;
	*r = (struct reading){ cmos(0),
			       cmos(2),
			       cmos(4),
			       cmos(7),
			       cmos(8),
			       cmos(9),
			       century_index ? cmos(century_index) : 0 };
}

static bool same(const struct reading *a, const struct reading *b)
{
	return a->second == b->second && a->minute == b->minute && a->hour == b->hour &&
	       a->day == b->day && a->month == b->month && a->year == b->year;
}

static unsigned decode(u8 v, bool binary)
{
	return binary ? v : (v >> 4) * 10u + (v & 0xf);
}

/* Days from 1970-01-01 in the Gregorian calendar; the year counted from March, so that leap days
 * come last. */
static u64 days_from_civil(unsigned y, unsigned m, unsigned d)
{
	u64 era, yoe, doy;

	y -= m <= 2;
	era = y / 400;
	yoe = y % 400;
	doy = (153 * (m + (m > 2 ? -3u : 9u)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static u64 to_seconds(const struct reading *r)
{
	u8 b = cmos(REG_B);
	bool binary = b & B_BINARY;
	unsigned hour = decode(r->hour & 0x7f, binary), year = decode(r->year, binary);
	unsigned century = decode(r->century, binary), month = decode(r->month, binary);

	if (!(b & B_24H))
		hour = hour % 12 + ((r->hour & HOUR_PM) ? 12 : 0);
	year += century >= 19 && century <= 30 ? century * 100 : 2000;
	if (month < 1 || month > 12)
		return EPOCH_2000;
	return days_from_civil(year, month, decode(r->day, binary)) * 86400 + hour * 3600u +
	       decode(r->minute, binary) * 60u + decode(r->second, binary);
}

void wall_clock_init(u8 century_index)
{
	struct reading a, b;
	unsigned tries = 0;

	/* Two equal readings in a row: no update came between. */
	read_once(&b, century_index);
	do {
		a = b;
		/* Between the two: the time that they agree on, however long we are stopped. */
		boot_ticks = time_now();
		read_once(&b, century_index);
	} while (!same(&a, &b) && ++tries < MAX_TRIES);
	boot_seconds = to_seconds(&b);
}

u64 wall_clock_seconds(void)
{
	return boot_seconds + (time_now() - boot_ticks) / time_hz();
}
