/* Offsets into struct vcpu that the entry assembly of both backends uses; arch/x86/run_next.h
 * checks each of them. */
#ifndef NEAP_ARCH_X86_VCPU_OFFSETS_H
#define NEAP_ARCH_X86_VCPU_OFFSETS_H

#define VCPU_OFF_RAX	 0
#define VCPU_OFF_RCX	 8
#define VCPU_OFF_RDX	 16
#define VCPU_OFF_RBX	 24
#define VCPU_OFF_RBP	 40
#define VCPU_OFF_RSI	 48
#define VCPU_OFF_RDI	 56
#define VCPU_OFF_R8	 64
#define VCPU_OFF_R9	 72
#define VCPU_OFF_R10	 80
#define VCPU_OFF_R11	 88
#define VCPU_OFF_R12	 96
#define VCPU_OFF_R13	 104
#define VCPU_OFF_R14	 112
#define VCPU_OFF_R15	 120
#define VCPU_OFF_PENDING 128

#endif
