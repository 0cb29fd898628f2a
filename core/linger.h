/* How long the last words stay on a screen before the machine goes off, when something went wrong.
 */
#ifndef NEAP_CORE_LINGER_H
#define NEAP_CORE_LINGER_H

#include "core/types.h"

#define LINGER_DEFAULT 10u    /* seconds */
#define LINGER_MAX     86400u /* seconds */
_Static_assert(LINGER_DEFAULT <= LINGER_MAX, "the default is in range");

/*
 * Seconds, 0 to LINGER_MAX: what `linger=` on the command line says, LINGER_DEFAULT without it or,
 * with a warning, if it makes no sense.
 */
u64 linger_seconds(const char *cmdline);

#endif
