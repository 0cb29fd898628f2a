/* Exceptions that meet: which become a double fault (SDM vol. 3 table 6-5, APM vol. 2 8.2.9). */
#ifndef NEAP_HV_EXCEPTION_H
#define NEAP_HV_EXCEPTION_H

#include "core/types.h"

/* An event as both kinds of processor encode one: vector, type, valid. */
#define EVENT_INFO_VALID     BIT(31)
#define EVENT_INFO_TYPE(i)   ((i) >> 8 & 7)
#define EVENT_INFO_EXCEPTION 3u

#define EXCEPTION_DE 0u
#define EXCEPTION_DF 8u
#define EXCEPTION_TS 10u
#define EXCEPTION_GP 13u
#define EXCEPTION_PF 14u

/* #DE, #TS, #NP, #SS, #GP: two of them in a row make a double fault. */
static inline bool exception_is_contributory(u32 vector)
{
	return vector == EXCEPTION_DE || (vector >= EXCEPTION_TS && vector <= EXCEPTION_GP);
}

/* `second` was raised while `first` was delivered. */
static inline bool exception_makes_double_fault(u32 first, u32 second)
{
	if (exception_is_contributory(first))
		return exception_is_contributory(second);
	return first == EXCEPTION_PF &&
	       (exception_is_contributory(second) || second == EXCEPTION_PF);
}

/* An exception about to be injected. */
struct exception {
	u8 vector;
	bool has_error;
	u32 error;
};

/*
 * *e was raised while the event `first` (0: none) was delivered: it may become a double fault.
 * False: a double fault was being delivered, and this makes it a triple fault.
 */
static inline bool exception_merge(u32 first, struct exception *e)
{
	if (!(first & EVENT_INFO_VALID) || EVENT_INFO_TYPE(first) != EVENT_INFO_EXCEPTION)
		return true;
	if ((first & 0xff) == EXCEPTION_DF)
		return false;
	if (exception_makes_double_fault(first & 0xff, e->vector))
		*e = (struct exception){ .vector = EXCEPTION_DF, .has_error = true };
	return true;
}

#endif
