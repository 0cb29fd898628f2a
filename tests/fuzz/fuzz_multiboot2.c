/* The multiboot2 parser on any bytes. libFuzzer hands them over in memory of exactly that size. */
#include <stdlib.h>
#include <string.h>

#include "boot/multiboot2.h"
#include "core/panic.h"
#include "shim.h"

#define INFO_PHYS 0x7fff0000ull

int LLVMFuzzerTestOneInput(const u8 *data, size_t n);

static void check(const struct boot_info *info, u32 size)
{
	ASSERT(info->region_count <= BOOT_MAX_REGIONS && info->module_count <= BOOT_MAX_MODULES);
	ASSERT(strnlen(info->cmdline, BOOT_CMDLINE_MAX) < BOOT_CMDLINE_MAX);
	ASSERT(strnlen(info->loader, BOOT_NAME_MAX) < BOOT_NAME_MAX);
	for (unsigned i = 0; i < info->region_count; i++) {
		const struct boot_region *r = &info->region[i];

		ASSERT(r->size && r->base + r->size > r->base);
	}
	for (unsigned i = 0; i < info->module_count; i++)
		ASSERT(strnlen(info->module[i].name, BOOT_NAME_MAX) < BOOT_NAME_MAX);
	ASSERT(!info->rsdp.v ||
	       (info->rsdp.v >= INFO_PHYS + 16 && info->rsdp.v <= INFO_PHYS + size - 20));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t n)
{
	static struct boot_info info;
	u8 *copy = malloc(n + 8);
	u32 size = (u32)n + 8;

	/* The total length is always right but for a few inputs: the rest is what matters. */
	memset(copy, 0, 8);
	if (n)
		memcpy(copy + 8, data, n);
	if (n && data[n - 1] == 0xfe)
		size = data[0] * 3u;
	memcpy(copy, &size, 4);
	shim_log_reset();
	if (multiboot2_parse(copy, n + 8, INFO_PHYS, &info) == 0)
		check(&info, size);
	free(copy);
	return 0;
}
