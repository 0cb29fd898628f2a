#include "hv/dev/rtc_time.h"

/*
 * Days are counted from 1 March of the year -400, so that the leap day ends its year, and every
 * quantity below is positive. Then 400 years have always the same length.
 */
#define DAYS_400Y      146097u
#define DAYS_100Y      36524u
#define DAYS_4Y	       1461u
#define DAYS_1Y	       365u
#define EPOCH_DAYS     (719468u + DAYS_400Y) /* 1970-01-01 in that count */
#define YEARS_TO_COUNT 400u

static s64 floor_div(s64 a, s64 b)
{
	return a / b - (a % b < 0);
}

/* Days before month m, m = 0 being March: the lengths 31 30 31 30 31 repeat over five months. */
static unsigned month_start(unsigned m)
{
	return (153 * m + 2) / 5;
}

static s64 count_days(unsigned year, unsigned month, unsigned day)
{
	unsigned y = year + YEARS_TO_COUNT, m = month - 3;

	if (month < 3) {
		y--;
		m = month + 9;
	}
	return (s64)y * DAYS_1Y + y / 4 - y / 100 + y / 400 + month_start(m) + day - 1 - EPOCH_DAYS;
}

s64 rtc_date_to_seconds(const struct rtc_date *date)
{
	unsigned month = MIN(MAX(date->month, 1u), 12u);
	s64 days = count_days(date->year, month, date->day);

	return days * RTC_DAY_SECONDS + date->hour * 3600 + date->minute * 60 + date->second;
}

/* Year, month and day of a day in the count from March. */
static void split_days(u64 n, struct rtc_date *date)
{
	u64 era = n / DAYS_400Y;
	unsigned rest = (unsigned)(n % DAYS_400Y), m;
	/* The last century of four, and year of four, is a day longer: not one more of them. */
	unsigned century = MIN(rest / DAYS_100Y, 3u), four, one;

	rest -= century * DAYS_100Y;
	four = rest / DAYS_4Y;
	rest -= four * DAYS_4Y;
	one = MIN(rest / DAYS_1Y, 3u);
	rest -= one * DAYS_1Y;

	m = (5 * rest + 2) / 153;
	date->day = rest - month_start(m) + 1;
	date->month = m < 10 ? m + 3 : m - 9;
	date->year = (unsigned)((era * 400 + century * 100 + four * 4 + one + (m >= 10) + 10000 -
				 YEARS_TO_COUNT) %
				10000);
}

struct rtc_date rtc_date_from_seconds(s64 seconds)
{
	s64 days = floor_div(seconds, RTC_DAY_SECONDS);
	unsigned of_day = (unsigned)(seconds - days * RTC_DAY_SECONDS);
	struct rtc_date date = {
		.second = of_day % 60,
		.minute = of_day / 60 % 60,
		.hour = of_day / 3600,
		/* 1970-01-01 was a Thursday. */
		.weekday = (unsigned)(days + 4 - floor_div(days + 4, 7) * 7) + 1,
	};

	split_days((u64)(days + EPOCH_DAYS), &date);
	return date;
}

s64 rtc_alarm_next(s64 now, int hour, int minute, int second)
{
	s64 t = now + 1;

	if (hour > 23 || minute > 59 || second > 59)
		return RTC_NEVER;
	/*
	 * Steps of an hour, a minute, a second: at most a day, an hour and a minute of each, and
	 * as much again after a carry. The bound is there to be seen.
	 */
	for (int step = 0; step < 2 * (24 + 60 + 60) + 1; step++) {
		int of_day = (int)(t - floor_div(t, RTC_DAY_SECONDS) * RTC_DAY_SECONDS);

		if (hour != RTC_ANY && of_day / 3600 != hour)
			t += 3600 - of_day % 3600;
		else if (minute != RTC_ANY && of_day / 60 % 60 != minute)
			t += 60 - of_day % 60;
		else if (second != RTC_ANY && of_day % 60 != second)
			t++;
		else
			return t;
	}
	return RTC_NEVER;
}
