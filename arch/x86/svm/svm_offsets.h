/* Offsets that svm_entry.S uses; svm_vcpu.h asserts each of them. */
#ifndef NEAP_SVM_SVM_OFFSETS_H
#define NEAP_SVM_SVM_OFFSETS_H

#define SVM_OFF_VMCB	  0
#define SVM_OFF_VMCB_PA	  8
#define SVM_OFF_HOST_VMCB 16
#define VMCB_OFF_RAX	  0x5f8

#endif
