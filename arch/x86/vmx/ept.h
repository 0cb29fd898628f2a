/* The EPT format for the page-table walker (SDM vol. 3 29.3). */
#ifndef NEAP_VMX_EPT_H
#define NEAP_VMX_EPT_H

#include "mm/ptab.h"

/* The format with the leaf sizes this processor has; after vmx_caps_read(). */
const struct ptab_fmt *ept_format(void);

/* Flags of a leaf that is RAM: all access, write-back; guest PAT and MTRRs combine as without EPT.
 */
u64 ept_ram_flags(void);

/* The same without write access. */
u64 ept_rom_flags(void);

/* The EPT pointer for a root table. */
u64 ept_pointer(hpa_t root);

#endif
