/* What SVM needs once per processor: its switch, the host's save areas, and the ASIDs. */
#ifndef NEAP_SVM_SVM_CPU_H
#define NEAP_SVM_SVM_CPU_H

#include "core/percpu.h"

/* Owner only. */
struct svm_cpu {
	hpa_t host_save; /* where VMRUN keeps the host's state (APM vol. 2 15.30.4) */
	hpa_t host_vmcb; /* what VMLOAD brings back of the host's state: FS, GS, TR, ... */
	u64 tsc_ratio;	 /* what the register of that name holds; 0: not known */
	u32 next_asid;
	u64 generation; /* of ASIDs: counts up when all are taken, or all shall be forgotten */
	bool flush_all; /* this generation has begun: the next VMRUN flushes what the last one left
			 */
};

/* Stays the same one only while the thread does not sleep. */
static inline struct svm_cpu *svm_this_cpu(void)
{
	return this_cpu()->backend;
}

/* Switches SVM on. -ENOMEM; calling CPU, once. */
int svm_cpu_init(void) __must_check;

/* The calling CPU's guests' TSC ratio: 8.32 fixed point, 0 for 1; nothing where there is none. */
void svm_set_tsc_ratio(u64 ratio);

/*
 * An ASID of the present generation that no vCPU has had. When all are taken a new generation
 * begins, and cpu->flush_all is set.
 */
u32 svm_asid_next(struct svm_cpu *cpu);

/* Every vCPU gets another ASID before it next runs on the calling CPU: nothing translated before is
 * used. */
void svm_asid_forget(void);

#endif
