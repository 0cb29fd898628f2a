#include "hv/dev/rtc_cmos.h"

#include "hv/dev/rtc_regs.h"
#include "hv/dev/rtc_time.h"

static u8 encode(const u8 *cmos, unsigned v)
{
	return (u8)(cmos[RTC_B] & RTC_B_DM ? v : v / 10 << 4 | v % 10);
}

static unsigned decode(const u8 *cmos, u8 v)
{
	return cmos[RTC_B] & RTC_B_DM ? v : (v >> 4) * 10u + (v & 15);
}

/* In 12-hour mode midnight is 12 am and noon 12 pm. */
static u8 encode_hour(const u8 *cmos, unsigned hour)
{
	if (cmos[RTC_B] & RTC_B_24H)
		return encode(cmos, hour);
	return encode(cmos, (hour + 11) % 12 + 1) | (hour >= 12 ? RTC_HOUR_PM : 0);
}

static unsigned decode_hour(const u8 *cmos, u8 v)
{
	if (cmos[RTC_B] & RTC_B_24H)
		return decode(cmos, v);
	return decode(cmos, v & ~RTC_HOUR_PM) % 12 + (v & RTC_HOUR_PM ? 12 : 0);
}

void rtc_cmos_store_time(u8 *cmos, s64 seconds, unsigned day_shift)
{
	struct rtc_date date = rtc_date_from_seconds(seconds);

	cmos[RTC_SECOND] = encode(cmos, date.second);
	cmos[RTC_MINUTE] = encode(cmos, date.minute);
	cmos[RTC_HOUR] = encode_hour(cmos, date.hour);
	cmos[RTC_WEEKDAY] = encode(cmos, (date.weekday - 1 + day_shift) % 7 + 1);
	cmos[RTC_DAY] = encode(cmos, date.day);
	cmos[RTC_MONTH] = encode(cmos, date.month);
	cmos[RTC_YEAR] = encode(cmos, date.year % 100);
	cmos[RTC_CENTURY] = encode(cmos, date.year / 100);
}

s64 rtc_cmos_load_time(const u8 *cmos, unsigned *day_shift)
{
	unsigned century = decode(cmos, cmos[RTC_CENTURY]);
	struct rtc_date date = {
		.second = decode(cmos, cmos[RTC_SECOND]),
		.minute = decode(cmos, cmos[RTC_MINUTE]),
		.hour = decode_hour(cmos, cmos[RTC_HOUR]),
		.day = decode(cmos, cmos[RTC_DAY]),
		.month = decode(cmos, cmos[RTC_MONTH]),
		.year = century % 100 * 100 + decode(cmos, cmos[RTC_YEAR]) % 100,
	};
	s64 seconds = rtc_date_to_seconds(&date);
	unsigned weekday = decode(cmos, cmos[RTC_WEEKDAY]);

	*day_shift = (weekday + 7 - rtc_date_from_seconds(seconds).weekday) % 7;
	return seconds;
}

static int alarm_field(unsigned value, u8 raw)
{
	return (raw & RTC_ALARM_ANY) == RTC_ALARM_ANY ? RTC_ANY : (int)value;
}

s64 rtc_cmos_next_alarm(const u8 *cmos, s64 now)
{
	u8 h = cmos[RTC_HOUR_ALARM], m = cmos[RTC_MINUTE_ALARM], s = cmos[RTC_SECOND_ALARM];

	return rtc_alarm_next(now, alarm_field(decode_hour(cmos, h), h),
			      alarm_field(decode(cmos, m), m), alarm_field(decode(cmos, s), s));
}

/* A size in units, as much of it as a field of n bytes can say. */
static void put_units(u8 *field, unsigned n, u64 units)
{
	units = MIN(units, BIT(8 * n) - 1);
	for (unsigned i = 0; i < n; i++)
		field[i] = (u8)(units >> (8 * i));
}

static u64 above(u64 size, u64 limit)
{
	return size > limit ? size - limit : 0;
}

void rtc_cmos_describe_board(u8 *cmos, const struct rtc_board *board)
{
	u64 extended_kb = above(board->low_memory, MIB) / KIB;
	unsigned sum = 0;

	cmos[CMOS_EQUIPMENT] = 0x02;
	put_units(&cmos[CMOS_BASE_KB], 2, MIN(board->low_memory / KIB, 640));
	put_units(&cmos[CMOS_EXT_KB], 2, extended_kb);
	put_units(&cmos[CMOS_EXT_KB_FOUND], 2, extended_kb);
	put_units(&cmos[CMOS_ABOVE_16M], 2, above(board->low_memory, 16 * MIB) / (64 * KIB));
	put_units(&cmos[CMOS_ABOVE_4G], 3, board->high_memory / (64 * KIB));
	cmos[CMOS_CPUS_LESS_ONE] = (u8)(MIN(MAX(board->cpus, 1u), 256u) - 1);

	for (unsigned i = CMOS_SUM_FIRST; i <= CMOS_SUM_LAST; i++)
		sum += cmos[i];
	cmos[CMOS_SUM] = (u8)(sum >> 8);
	cmos[CMOS_SUM + 1] = (u8)sum;
}
