#include "boot/boot_info.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct boot_info) >> 24 == 0, "the size fits BOOT_EFI_MAGIC");

struct boot_info boot_info;

static bool strings_end(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->module_count; i++) {
		if (strnlen(info->module[i].name, BOOT_NAME_MAX) == BOOT_NAME_MAX)
			return false;
	}
	return strnlen(info->loader, BOOT_NAME_MAX) < BOOT_NAME_MAX &&
	       strnlen(info->cmdline, BOOT_CMDLINE_MAX) < BOOT_CMDLINE_MAX;
}

int boot_info_take(const struct boot_info *from)
{
	if (from->region_count > BOOT_MAX_REGIONS || from->module_count > BOOT_MAX_MODULES ||
	    !strings_end(from))
		return -EINVAL;
	for (unsigned i = 0; i < from->region_count; i++) {
		if (from->region[i].type == BOOT_RAM) {
			boot_info = *from;
			return 0;
		}
	}
	return -ENODATA;
}

static bool meets_page(u64 page, u64 base, u64 size)
{
	return size && base < page + PAGE_SIZE && (base >= page || size > page - base);
}

/* Regions that are not RAM win over RAM that overlaps them: the loader's own information is one. */
static bool low_page_is_free(u64 page)
{
	const struct boot_info *b = &boot_info;

	for (unsigned i = 0; i < b->region_count; i++) {
		if (b->region[i].type != BOOT_RAM &&
		    meets_page(page, b->region[i].base, b->region[i].size))
			return false;
	}
	for (unsigned i = 0; i < b->module_count; i++) {
		if (meets_page(page, b->module[i].base.v, b->module[i].size))
			return false;
	}
	return !meets_page(page, b->image_base.v, b->image_size);
}

hpa_t boot_find_low_page(void)
{
	for (unsigned i = 0; i < boot_info.region_count; i++) {
		const struct boot_region *r = &boot_info.region[i];
		u64 page = MAX(ALIGN_UP(MIN(r->base, BOOT_LOW_END), PAGE_SIZE), BOOT_LOW_START);
		u64 end = MIN(r->base + r->size, BOOT_LOW_END);

		for (; r->type == BOOT_RAM && page + PAGE_SIZE <= end; page += PAGE_SIZE) {
			if (low_page_is_free(page))
				return HPA(page);
		}
	}
	return HPA(0);
}

const struct boot_module *boot_find_module(const char *name)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		if (!strcmp(boot_info.module[i].name, name))
			return &boot_info.module[i];
	}
	return NULL;
}
