/* Exceptions that meet: which become a double fault (SDM vol. 3 table 6-5, APM vol. 2 8.2.9). */
#ifndef NEAP_HV_EXCEPTION_H
#define NEAP_HV_EXCEPTION_H

#include "core/types.h"

#define EXCEPTION_DE 0u
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

#endif
