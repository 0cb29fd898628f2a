/* The parser of the first multiboot's information on any memory, in which it starts anywhere. */
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot1.h"
#include "core/panic.h"
#include "shim.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void check(const struct boot_info *info)
{
	ASSERT(info->region_count && info->region_count <= BOOT_MAX_REGIONS);
	ASSERT(info->module_count <= BOOT_MAX_MODULES);
	ASSERT(strnlen(info->cmdline, BOOT_CMDLINE_MAX) < BOOT_CMDLINE_MAX);
	ASSERT(strnlen(info->loader, BOOT_NAME_MAX) < BOOT_NAME_MAX);
	ASSERT(!info->rsdp.v);
	for (unsigned i = 0; i < info->region_count; i++) {
		const struct boot_region *r = &info->region[i];

		ASSERT(r->size && r->base + r->size > r->base);
	}
	for (unsigned i = 0; i < info->module_count; i++)
		ASSERT(strnlen(info->module[i].name, BOOT_NAME_MAX) < BOOT_NAME_MAX);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	static struct boot_info info;
	u8 *copy = malloc(n + 1);
	u32 start = n ? data[n - 1] : 0;

	if (n)
		memcpy(copy, data, n);
	shim_log_reset();
	if (multiboot1_parse(copy, n, start, &info) == 0)
		check(&info);
	free(copy);
	return 0;
}
