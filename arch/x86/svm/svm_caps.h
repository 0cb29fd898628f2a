/* What this processor's SVM offers (CPUID 8000000AH, APM vol. 3), read once. */
#ifndef NEAP_SVM_SVM_CAPS_H
#define NEAP_SVM_SVM_CAPS_H

#include "core/types.h"

#define MSR_VM_CR	0xc0010114
#define MSR_VM_HSAVE_PA 0xc0010117
#define MSR_TSC_RATIO	0xc0000104
#define VM_CR_LOCK	BIT(3)
#define VM_CR_SVMDIS	BIT(4)

struct svm_caps {
	u32 revision;
	u32 asids;    /* 0 to asids - 1 exist; 0 is the hypervisor's */
	u32 features; /* EDX as it is */
	bool nrip, flush_by_asid, decode_assists, clean_bits, pause_filter, pause_threshold;
	bool tsc_ratio;
	bool write_protect; /* writes are logged without the dirty bits: by a boot option */
	bool debug_exits;   /* an exit for #DB leaves DR6 as the exception does */
	bool loads_shadow;  /* VMRUN puts an interrupt shadow in the VMCB in force again */
	bool injects_once;  /* an external interrupt that VMRUN injects comes once */
	bool steps_leak; /* a single step over an instruction that exits traps behind VMRUN, too */
};

extern struct svm_caps svm_caps;

/*
 * 0; with a sentence logged: -ENODEV when the processor has no SVM or firmware has switched it off,
 * -ENOTSUP when something Neap cannot do without is missing. Boot CPU, once.
 */
int svm_caps_read(void) __must_check;

/* The whole table, for the boot report. */
void svm_caps_print(void);

#endif
