/* Offsets that svm_entry.S uses; svm_vcpu.h asserts each of them. */
#ifndef NEAP_SVM_SVM_OFFSETS_H
#define NEAP_SVM_SVM_OFFSETS_H

#define SVM_OFF_VMCB	     0
#define SVM_OFF_VMCB_PA	     8
#define SVM_OFF_HOST_VMCB    16
#define VMCB_OFF_TLB_CONTROL 0x5c
#define VMCB_OFF_EVENT	     0xa8
#define VMCB_OFF_CLEAN	     0xc0
#define VMCB_OFF_RAX	     0x5f8

/* And values: of tlb_control and clean. */
#define VMCB_TLB_KEEP  0
#define VMCB_CLEAN_ALL 0x3ff

#endif
