/* The CMOS bytes of the RTC as formats: time and alarm registers, what describes the board. */
#ifndef NEAP_HV_DEV_RTC_CMOS_H
#define NEAP_HV_DEV_RTC_CMOS_H

#include "core/types.h"
#include "hv/dev/rtc.h"

/* Writes the time and date registers in the format register B of cmos asks for. */
void rtc_cmos_store_time(u8 *cmos, s64 seconds, unsigned day_shift);

/*
 * Seconds since 1970 of the time and date registers, whatever they hold; through *day_shift, what
 * the weekday register is ahead of the calendar (0 to 6).
 */
s64 rtc_cmos_load_time(const u8 *cmos, unsigned *day_shift);

/* First second after `now` that the alarm registers match; RTC_NEVER if none. */
s64 rtc_cmos_next_alarm(const u8 *cmos, s64 now);

/* What firmware leaves in CMOS memory for a kernel: equipment, memory sizes, processors, their sum.
 */
void rtc_cmos_describe_board(u8 *cmos, const struct rtc_board *board);

#endif
