/*
 * String formatting without floating point: newlib's integer-only functions in the hypervisor, the
 * ordinary ones in unit tests. Arguments and results are those of snprintf and vsnprintf.
 */
#ifndef NEAP_CORE_FORMAT_H
#define NEAP_CORE_FORMAT_H

#include <stdio.h>

#include "core/types.h"

#ifdef __NEWLIB__
#define format_string  sniprintf
#define format_vstring vsniprintf
#else
#define format_string  snprintf
#define format_vstring vsnprintf
#endif

#endif
