/* The firmware's console. log_error(), log_warn() and log_info() print there, a line each. */
#ifndef NEAP_BOOT_EFI_CONSOLE_H
#define NEAP_BOOT_EFI_CONSOLE_H

#include "core/log.h"

/* From here on nothing is printed: when the boot services may have ended. */
void console_silence(void);

/* Waits for a key, at most this many seconds. */
void console_wait_key(unsigned seconds);

#endif
