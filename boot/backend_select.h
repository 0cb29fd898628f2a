/* Which of the processor's virtualization extensions Neap uses. */
#ifndef NEAP_BOOT_BACKEND_SELECT_H
#define NEAP_BOOT_BACKEND_SELECT_H

/*
 * Sets `backend` to the one that this processor has. A negative errno when there is none; a
 * sentence that says what is missing has been logged then. Boot CPU, once.
 */
int backend_select(void) __attribute__((warn_unused_result));

#endif
