#include "boot/loader_info.h"

#include <string.h>

#include "core/log.h"

/* Memory map entry types (Multiboot2 3.6.8, Multiboot 3.3). */
enum { MMAP_RAM = 1, MMAP_ACPI_RECLAIM = 3, MMAP_NVS = 4, MMAP_BAD = 5 };

void loader_info_clear(struct boot_info *info)
{
	hpa_t image_base = info->image_base;
	u64 image_size = info->image_size, entry_tsc = info->entry_tsc;

	memset(info, 0, sizeof(*info));
	info->image_base = image_base;
	info->image_size = image_size;
	info->entry_tsc = entry_tsc;
}

bool loader_copy_string(char *to, size_t room, const u8 *from, size_t n)
{
	size_t len = strnlen((const char *)from, n);
	bool fits = len < room;

	len = MIN(len, room - 1);
	memcpy(to, from, len);
	to[len] = '\0';
	return fits;
}

void loader_take_cmdline(struct boot_info *info, const u8 *from, size_t n)
{
	if (!loader_copy_string(info->cmdline, BOOT_CMDLINE_MAX, from, n))
		log_warn("boot: command line cut to %u bytes", BOOT_CMDLINE_MAX - 1);
}

size_t loader_word_length(const u8 *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len] && s[len] != ' ' && s[len] != '\t')
		len++;
	return len;
}

bool loader_add_module(struct boot_info *info, unsigned number, u64 start, u64 end, const u8 *name,
		       size_t n)
{
	struct boot_module *m = &info->module[info->module_count];

	if (end < start) {
		log_warn("boot: module %u ends before it starts, ignored", number);
		return true;
	}
	if (info->module_count == BOOT_MAX_MODULES) {
		if (!info->modules_lost)
			log_warn("boot: more than %u modules, the rest ignored", BOOT_MAX_MODULES);
		info->modules_lost = true;
		return false;
	}
	m->base = HPA(start);
	m->size = end - start;
	if (!loader_copy_string(m->name, BOOT_NAME_MAX, name, n))
		log_warn("boot: name of module %u cut: %s", number, m->name);
	if (!m->name[0])
		log_warn("boot: module %u has no name", number);
	info->module_count++;
	return true;
}

enum boot_region_type loader_region_type(u32 type)
{
	switch (type) {
	case MMAP_RAM:
		return BOOT_RAM;
	case MMAP_ACPI_RECLAIM:
		return BOOT_ACPI_RECLAIM;
	case MMAP_NVS:
		return BOOT_ACPI_NVS;
	case MMAP_BAD:
		return BOOT_BAD;
	default:
		return BOOT_RESERVED;
	}
}

bool loader_info_has_ram(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->region_count; i++) {
		if (info->region[i].type == BOOT_RAM)
			return true;
	}
	return false;
}
