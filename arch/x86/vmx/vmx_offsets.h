/* Offsets into struct vcpu that vmx_entry.S uses; vmx_vcpu.h asserts each of them. */
#ifndef NEAP_VMX_VMX_OFFSETS_H
#define NEAP_VMX_VMX_OFFSETS_H

#define VMX_OFF_RAX	0
#define VMX_OFF_RCX	8
#define VMX_OFF_RDX	16
#define VMX_OFF_RBX	24
#define VMX_OFF_RBP	40
#define VMX_OFF_RSI	48
#define VMX_OFF_RDI	56
#define VMX_OFF_R8	64
#define VMX_OFF_R9	72
#define VMX_OFF_R10	80
#define VMX_OFF_R11	88
#define VMX_OFF_R12	96
#define VMX_OFF_R13	104
#define VMX_OFF_R14	112
#define VMX_OFF_R15	120
#define VMX_OFF_PENDING 128

#endif
