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

const struct boot_module *boot_find_module(const char *name)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		if (!strcmp(boot_info.module[i].name, name))
			return &boot_info.module[i];
	}
	return NULL;
}
