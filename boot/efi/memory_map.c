#include "boot/efi/memory_map.h"

#include <string.h>

#include "boot/regions.h"

#define CONVENTIONAL 7
/* Longest entry that is sorted; firmware has them of 40 and 48 bytes. */
#define STRIDE_MAX 128

static const struct efi_memory *entry(const void *map, size_t i, size_t stride)
{
	return (const struct efi_memory *)((const char *)map + i * stride);
}

void memory_map_sort(void *map, size_t count, size_t stride)
{
	u8 *bytes = map, one[STRIDE_MAX];

	if (stride > STRIDE_MAX)
		return;
	/* By insertion: most of it is in order already. */
	for (size_t i = 1; i < count; i++) {
		size_t to = i;

		while (to > 0 && entry(map, to - 1, stride)->base > entry(map, i, stride)->base)
			to--;
		memcpy(one, bytes + i * stride, stride);
		memmove(bytes + (to + 1) * stride, bytes + to * stride, (i - to) * stride);
		memcpy(bytes + to * stride, one, stride);
	}
}

void memory_map_to_regions(const void *map, size_t count, size_t stride, struct boot_info *info)
{
	info->region_count = 0;
	for (size_t i = 0; i < count; i++) {
		const struct efi_memory *m = entry(map, i, stride);

		(void)boot_add_efi_region(info, m->type, m->base, m->pages, false);
	}
}

u64 memory_map_find(const void *map, size_t count, size_t stride, u64 size, u64 align, u64 min,
		    u64 limit)
{
	u64 best = 0;

	for (size_t i = 0; i < count; i++) {
		const struct efi_memory *m = entry(map, i, stride);
		u64 at = ALIGN_UP(MAX(m->base, min), align),
		    end = m->base + (m->pages << PAGE_SHIFT);

		end = MIN(end, limit);
		if (m->type == CONVENTIONAL && at < end && end - at >= size && (!best || at < best))
			best = at;
	}
	return best;
}
