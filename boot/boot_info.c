#include "boot/boot_info.h"

#include <string.h>

struct boot_info boot_info;

const struct boot_module *boot_find_module(const char *name)
{
	for (unsigned i = 0; i < boot_info.module_count; i++) {
		if (!strcmp(boot_info.module[i].name, name))
			return &boot_info.module[i];
	}
	return NULL;
}
