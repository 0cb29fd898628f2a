/* Formatting for the firmware's console; the C library of the hypervisor cannot be linked there. */
#ifndef NEAP_BOOT_EFI_TEXT_FORMAT_H
#define NEAP_BOOT_EFI_TEXT_FORMAT_H

#include <stdarg.h>

#include "core/types.h"

/*
 * Like vsnprintf(), with %s, %c, %d, %u, %x, their long forms and %%, without widths; it ends at
 * anything else. Returns the length of what is in the buffer, which always ends with a zero.
 */
size_t text_format(char *to, size_t room, const char *fmt, va_list ap) __printf(3, 0);

/* The same with the arguments themselves. */
size_t text_print(char *to, size_t room, const char *fmt, ...) __printf(3, 4);

#endif
