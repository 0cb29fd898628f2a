/* ASIDs and what the TLB holds for a guest (APM vol. 2 15.16). */
#ifndef NEAP_SVM_SVM_FLUSH_H
#define NEAP_SVM_SVM_FLUSH_H

struct vcpu;

/* Right before an entry: an ASID of this CPU's present generation, and its flush. Loaded, own
 * thread. */
void svm_asid_check(struct vcpu *vcpu);

/* What was translated for any guest on the calling CPU is not used again. Interrupts off; between
 * an exit and the next entry. */
void svm_flush_cpu(void);

/* What was translated for this vCPU on this CPU is not used again. Loaded, own thread. */
void svm_flush_guest(struct vcpu *vcpu);

#endif
