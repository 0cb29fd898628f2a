#include "arch/x86/vmx/ept.h"

#include "arch/x86/vmx/caps.h"

#define EPT_RWX	     7ull
#define EPT_WRITE    BIT(1)
#define EPT_LARGE    BIT(7)
#define EPT_MEM_WB   (6ull << 3)
#define EPTP_WB	     6ull
#define EPTP_WALK(n) ((u64)((n)-1) << 3)
#define EPTP_AD	     BIT(6)
#define EPT_LEVELS   4

static struct ptab_fmt ept = {
	.name = "EPT",
	.present = EPT_RWX,
	.table_flags = EPT_RWX,
	.large = EPT_LARGE,
	.addr_mask = 0x000ffffffffff000ull,
	.levels = EPT_LEVELS,
	.max_leaf_level = 1,
};
_Static_assert(EPTP_WALK(EPT_LEVELS) == 0x18, "the EPTP holds the walk length less one");
_Static_assert((EPT_MEM_WB & (EPT_RWX | EPT_LARGE)) == 0, "fields of an entry do not overlap");

const struct ptab_fmt *ept_format(void)
{
	ept.max_leaf_level = vmx_caps.ept_1g ? 3 : vmx_caps.ept_2m ? 2 : 1;
	return &ept;
}

u64 ept_ram_flags(void)
{
	return EPT_RWX | EPT_MEM_WB;
}

u64 ept_rom_flags(void)
{
	return (EPT_RWX & ~EPT_WRITE) | EPT_MEM_WB;
}

u64 ept_pointer(hpa_t root)
{
	return root.v | EPTP_WB | EPTP_WALK(EPT_LEVELS) | (vmx_caps.ept_ad ? EPTP_AD : 0);
}
