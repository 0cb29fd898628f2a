#include <stddef.h>
#include "multiboot.h"

const struct multiboot_info *multiboot_info;

/* The map of a loader that tells no more than mem_upper. */
static struct multiboot_mmap multiboot_upper = { .size = sizeof(multiboot_upper) - 4,
						 .addr = 0x100000,
						 .type = MULTIBOOT_AVAILABLE };

bool multiboot_init(uint32_t magic, const struct multiboot_info *info)
{
	if (magic != MULTIBOOT_LOADED)
		return false;
	multiboot_info = info;
	if (info->flags & MULTIBOOT_MEMORY)
		multiboot_upper.len = (uint64_t)info->mem_upper << 10;
	return true;
}

static const char *multiboot_string(uint32_t addr)
{
	return addr ? (const char *)(uintptr_t)addr : "";
}

const char *multiboot_cmdline(void)
{
	return multiboot_string(multiboot_info->flags & MULTIBOOT_CMDLINE ? multiboot_info->cmdline
									  : 0);
}

const struct multiboot_module *multiboot_module(unsigned int index)
{
	const struct multiboot_module *mods = (void *)(uintptr_t)multiboot_info->mods_addr;

	if (!(multiboot_info->flags & MULTIBOOT_MODULES) || index >= multiboot_info->mods_count)
		return NULL;
	return &mods[index];
}

const char *multiboot_module_string(const struct multiboot_module *module)
{
	return multiboot_string(module->string);
}

const struct multiboot_mmap *multiboot_mmap_next(const struct multiboot_mmap *entry)
{
	uintptr_t first = multiboot_info->mmap_addr;
	uintptr_t end = first + multiboot_info->mmap_length;
	uintptr_t next = entry ? (uintptr_t)entry + entry->size + sizeof(entry->size) : first;

	if (!(multiboot_info->flags & MULTIBOOT_MMAP))
		return entry || !multiboot_upper.len ? NULL : &multiboot_upper;
	return next + sizeof(*entry) <= end ? (const struct multiboot_mmap *)next : NULL;
}

uint64_t multiboot_ram_end(uint64_t limit)
{
	const struct multiboot_mmap *m = NULL;
	uint64_t end = 0;

	while ((m = multiboot_mmap_next(m)))
		if (m->type == MULTIBOOT_AVAILABLE && m->addr < limit && m->addr + m->len > end)
			end = m->addr + m->len;
	return end;
}
