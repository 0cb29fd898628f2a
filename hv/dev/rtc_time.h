/* Dates for the real-time clock: seconds since 1970 and the Gregorian calendar. Pure functions. */
#ifndef NEAP_HV_DEV_RTC_TIME_H
#define NEAP_HV_DEV_RTC_TIME_H

#include "core/types.h"

#define RTC_DAY_SECONDS 86400
#define RTC_NEVER	INT64_MAX
#define RTC_ANY		(-1) /* "don't care" field of an alarm */

struct rtc_date {
	unsigned second, minute, hour, day;
	unsigned weekday; /* 1 Sunday to 7 Saturday; ignored as input */
	unsigned month;	  /* 1 to 12 */
	unsigned year;	  /* 0 to 9999 */
};

/* seconds since 1970-01-01 00:00, negative before it; years beyond 9999 wrap. */
struct rtc_date rtc_date_from_seconds(s64 seconds);

/*
 * The inverse. Fields may be out of range (up to 255 each): too large a day, hour, minute or
 * second carries over, a month is taken into 1 to 12.
 */
s64 rtc_date_to_seconds(const struct rtc_date *date);

/*
 * The first second after `now` whose time of day has the given hour, minute and second, each of
 * which may be RTC_ANY; RTC_NEVER if there is no such time of day.
 */
s64 rtc_alarm_next(s64 now, int hour, int minute, int second);

#endif
