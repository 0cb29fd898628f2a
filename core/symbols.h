/*
 * Names of the hypervisor's own functions, for backtraces. scripts/mksymbols makes the table from
 * the linked image; the linker script puts it behind the text, so that adding it moves no function.
 */
#ifndef NEAP_CORE_SYMBOLS_H
#define NEAP_CORE_SYMBOLS_H

#include "core/types.h"

/*
 * The table as scripts/mksymbols lays it out. After it come `count` addresses and then `count`
 * names, u32 each, the addresses ascending and relative to base, the names offsets from the end of
 * both arrays to NUL-terminated strings.
 */
struct symbol_table {
	u64 base;
	u32 count;
	u32 size; /* bytes from base to the end of the last function */
};

/* The function that holds addr, and how far into it; NULL: none known. Any context. */
const char *symbol_find(u64 addr, u64 *offset);

/* The same in a given table; NULL for no table. */
const char *symbol_find_in(const struct symbol_table *table, u64 addr, u64 *offset);

#endif
