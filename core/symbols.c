#include "core/symbols.h"

/* From the linker script, and equal before the table is made; absent in unit tests. */
extern const char symbol_table_start[] __attribute__((weak));
extern const char symbol_table_end[] __attribute__((weak));

/* The last of n ascending offsets that is not above x; the first is known not to be. */
static u32 last_not_above(const u32 *offset, u32 n, u32 x)
{
	u32 low = 0, high = n;

	while (high - low > 1) {
		u32 mid = low + (high - low) / 2;

		if (offset[mid] <= x)
			low = mid;
		else
			high = mid;
	}
	return low;
}

const char *symbol_find_in(const struct symbol_table *table, u64 addr, u64 *offset)
{
	const u32 *start, *name;
	u32 x, i;

	if (!table || !table->count || addr < table->base || addr - table->base >= table->size)
		return NULL;
	start = (const u32 *)(table + 1);
	name = start + table->count;
	x = (u32)(addr - table->base);
	if (x < start[0])
		return NULL;
	i = last_not_above(start, table->count, x);
	*offset = x - start[i];
	return (const char *)(name + table->count) + name[i];
}

const char *symbol_find(u64 addr, u64 *offset)
{
	if ((u64)symbol_table_end - (u64)symbol_table_start < sizeof(struct symbol_table))
		return NULL;
	return symbol_find_in((const void *)symbol_table_start, addr, offset);
}
