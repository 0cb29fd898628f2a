#include "arch/x86/vmx/ept.h"

#include "arch/x86/vmx/caps.h"

#define EPT_RWX	     7ull
#define EPT_WRITE    BIT(1)
#define EPT_LARGE    BIT(7)
#define EPT_ACCESSED BIT(8) /* these two only with EPTP_AD; ignored without */
#define EPT_DIRTY    BIT(9)
#define EPT_MEM_WB   (6ull << 3)
#define EPTP_WB	     6ull
#define EPTP_WALK(n) ((u64)((n)-1) << 3)
#define EPTP_AD	     BIT(6)
#define EPT_LEVELS   4

static struct ptab_fmt ept = {
	.name = "EPT",
	.present = EPT_RWX,
	.table_flags = EPT_RWX | EPT_ACCESSED,
	.large = EPT_LARGE,
	.addr_mask = 0x000ffffffffff000ull,
	.writable = EPT_WRITE,
	.dirty = EPT_DIRTY,
	.levels = EPT_LEVELS,
	.max_leaf_level = 1,
};
_Static_assert(EPTP_WALK(EPT_LEVELS) == 0x18, "the EPTP holds the walk length less one");
_Static_assert((EPT_MEM_WB & (EPT_RWX | EPT_LARGE | EPT_ACCESSED | EPT_DIRTY)) == 0,
	       "fields of an entry do not overlap");

const struct ptab_fmt *ept_format(void)
{
	ept.max_leaf_level = vmx_caps.ept_1g ? 3 : vmx_caps.ept_2m ? 2 : 1;
	return &ept;
}

/* Accessed and dirty from the start: the processor need not write, nor log, but where dirty_log.c
 * clears them. */
u64 ept_ram_flags(void)
{
	return EPT_RWX | EPT_MEM_WB | EPT_ACCESSED | EPT_DIRTY;
}

u64 ept_rom_flags(void)
{
	return ept_ram_flags() & ~EPT_WRITE;
}

u64 ept_pointer(hpa_t root)
{
	return root.v | EPTP_WB | EPTP_WALK(EPT_LEVELS) | (vmx_caps.ept_ad ? EPTP_AD : 0);
}
