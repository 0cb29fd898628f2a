#include "arch/x86/desc.h"

#define IDT_ENTRIES	   256
#define GATE_INTERRUPT	   0x8e00u
#define GDT_CODE64	   0x00af9b000000ffffull
#define GDT_DATA	   0x00cf93000000ffffull
#define DESC_TSS_AVAILABLE 0x89ull

struct gate {
	u16 offset_low, selector, ist_type_low;
	u16 offset_mid;
	u32 offset_high, reserved;
} __packed;

/* Entry stubs, 16 bytes apart: arch/x86/trap_entry.S. */
extern char trap_stubs[];

static struct gate idt[IDT_ENTRIES] __aligned(16);

static void set_gate(unsigned vector, unsigned ist)
{
	u64 a = (u64)trap_stubs + 16 * vector;

	idt[vector] = (struct gate){
		.offset_low = (u16)a,
		.selector = SEL_CODE,
		.ist_type_low = (u16)(GATE_INTERRUPT | ist),
		.offset_mid = (u16)(a >> 16),
		.offset_high = (u32)(a >> 32),
	};
}

void desc_set_entry(unsigned vector, void (*entry)(void))
{
	u64 a = (u64)entry;

	idt[vector].offset_low = (u16)a;
	idt[vector].offset_mid = (u16)(a >> 16);
	idt[vector].offset_high = (u32)(a >> 32);
}

static void load_idt(void)
{
	struct desc_pointer p = { sizeof(idt) - 1, (u64)idt };

	__asm__ volatile("lidt %0" : : "m"(p));
}

static void load_gdt(const u64 *gdt, u16 limit)
{
	struct desc_pointer p = { limit, (u64)gdt };

	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%ss\n\t"
			 "movl %2, %%ds\n\t"
			 "movl %2, %%es"
			 :
			 : "m"(p), "i"(SEL_CODE), "r"(SEL_DATA)
			 : "rax", "memory");
}

void desc_init_idt(void)
{
	static u64 gdt[3] __aligned(16);

	gdt[SEL_CODE / 8] = GDT_CODE64;
	gdt[SEL_DATA / 8] = GDT_DATA;
	load_gdt(gdt, sizeof(gdt) - 1);
	for (unsigned v = 0; v < IDT_ENTRIES; v++)
		set_gate(v, IST_NONE);
	load_idt();
}

static void use_ist(void)
{
	set_gate(VEC_DF, IST_DOUBLE_FAULT);
	set_gate(VEC_NMI, IST_NMI);
	set_gate(VEC_MC, IST_MACHINE_CHECK);
}

void desc_init_cpu(struct cpu_desc *d, void *const ist_top[IST_COUNT])
{
	u64 base = (u64)&d->tss;

	d->gdt[SEL_CODE / 8] = GDT_CODE64;
	d->gdt[SEL_DATA / 8] = GDT_DATA;
	/* SDM vol. 3 8.2.3: a 64-bit TSS descriptor takes two entries. */
	d->gdt[SEL_TSS / 8] = (sizeof(d->tss) - 1) | (base & 0xffffff) << 16 |
			      DESC_TSS_AVAILABLE << 40 | (base >> 24 & 0xff) << 56;
	d->gdt[SEL_TSS / 8 + 1] = base >> 32;
	for (unsigned i = 1; i < IST_COUNT; i++)
		d->tss.ist[i - 1] = (u64)ist_top[i];
	d->tss.iomap = sizeof(d->tss);
	load_gdt(d->gdt, sizeof(d->gdt) - 1);
	__asm__ volatile("ltr %w0" : : "r"(SEL_TSS));
	use_ist();
	load_idt();
}
