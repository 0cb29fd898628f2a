/* The nested-page-table format for the page-table walker (APM vol. 2 15.25.5). */
#ifndef NEAP_SVM_NPT_H
#define NEAP_SVM_NPT_H

#include "mm/ptab.h"

/* The format with the leaf sizes this processor has; after cpu_detect(). */
const struct ptab_fmt *npt_format(void);

/* Flags of a leaf that is RAM: all access, write-back by entry 0 of the host's PAT. */
u64 npt_ram_flags(void);

/* The same without write access. */
u64 npt_rom_flags(void);

#endif
