/* All processors, which do the same at the same time. */
#ifndef DIRTY_TEAM_H
#define DIRTY_TEAM_H

#include <stdbool.h>

/* False, and said so: one does not come. */
bool team_start(void);

unsigned int team_size(void);

/* fn(index, argument) on all of them, this one, 0, among them; returns when all have returned. */
void team_do(void (*fn)(unsigned int index, unsigned int argument), unsigned int argument);

/* Sends the second one INIT, and starts it again; false, and said so, if it does not come. It waits
 * for work. Nothing where there is no second one. */
bool team_restart(void);

/* The same on all others; returns at once. And waits for them. */
void team_begin(void (*fn)(unsigned int index, unsigned int argument), unsigned int argument);
void team_wait(void);

#endif
