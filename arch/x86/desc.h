/* Segment descriptors, TSS and IDT: one GDT and TSS per CPU, one IDT for all. */
#ifndef NEAP_ARCH_X86_DESC_H
#define NEAP_ARCH_X86_DESC_H

#include "core/types.h"

#define SEL_CODE 0x08
#define SEL_DATA 0x10
#define SEL_TSS	 0x18

/* Interrupt-stack-table slots: what may come at any instruction has a stack of its own. */
enum ist { IST_NONE, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK, IST_COUNT };

#define VEC_DE	0
#define VEC_DB	1
#define VEC_NMI 2
#define VEC_BP	3
#define VEC_OF	4
#define VEC_BR	5
#define VEC_UD	6
#define VEC_NM	7
#define VEC_DF	8
#define VEC_TS	10
#define VEC_NP	11
#define VEC_SS	12
#define VEC_GP	13
#define VEC_PF	14
#define VEC_MF	16
#define VEC_AC	17
#define VEC_MC	18
#define VEC_XM	19

struct desc_pointer {
	u16 limit;
	u64 base;
} __packed;

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __packed;

/* A CPU's own descriptors; part of struct cpu. */
struct cpu_desc {
	u64 gdt[5] __aligned(16);
	struct tss tss __aligned(16);
};

/*
 * Fills and loads the calling CPU's GDT, TSS and the shared IDT. ist_top are stack tops by enum ist
 * (entry 0 unused). GS base is left alone by the segment loads.
 */
void desc_init_cpu(struct cpu_desc *d, void *const ist_top[IST_COUNT]);

/* Replaces the code behind a gate of the shared IDT; it must end as an interrupt's does. */
void desc_set_entry(unsigned vector, void (*entry)(void));

/* Builds the shared IDT and loads it, before there are IST stacks; boot CPU, as early as possible.
 */
void desc_init_idt(void);

#endif
