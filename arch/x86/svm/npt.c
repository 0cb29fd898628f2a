#include "arch/x86/svm/npt.h"

#include "arch/x86/cpu.h"

#define NPT_PRESENT  BIT(0)
#define NPT_WRITE    BIT(1)
#define NPT_USER     BIT(2) /* nested walks are user accesses (APM vol. 2 15.25.5) */
#define NPT_ACCESSED BIT(5)
#define NPT_DIRTY    BIT(6)
#define NPT_LARGE    BIT(7)
#define NPT_LEVELS   4
#define NPT_TABLE    (NPT_PRESENT | NPT_WRITE | NPT_USER | NPT_ACCESSED)

static struct ptab_fmt npt = {
	.name = "NPT",
	.present = NPT_PRESENT,
	.table_flags = NPT_TABLE,
	.large = NPT_LARGE,
	.addr_mask = 0x000ffffffffff000ull,
	.writable = NPT_WRITE,
	.dirty = NPT_DIRTY,
	.levels = NPT_LEVELS,
	.max_leaf_level = 2,
};

const struct ptab_fmt *npt_format(void)
{
	npt.max_leaf_level = cpu_features.gbpages ? 3 : 2;
	return &npt;
}

/* Accessed and dirty are set from the start, so that the processor need not write, but where
 * dirty_log.c clears them. */
u64 npt_ram_flags(void)
{
	return NPT_TABLE | NPT_DIRTY;
}

u64 npt_rom_flags(void)
{
	return npt_ram_flags() & ~NPT_WRITE;
}
