/* The local APIC, xAPIC or x2APIC (SDM 3A, chapter 11), and the two 8259 PICs. */
#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include <stdbool.h>
#include <stdint.h>

#define APIC_BASE   0xfee00000ul
#define IOAPIC_BASE 0xfec00000ul

/* Registers, as xAPIC offsets; x2APIC's MSR is APIC_MSR(offset). */
#define APIC_ID		  0x20
#define APIC_EOI	  0xb0
#define APIC_LDR	  0xd0 /* writable in xAPIC mode only, as is the next */
#define APIC_DFR	  0xe0
#define APIC_SPURIOUS	  0xf0
#define APIC_ESR	  0x280
#define APIC_ICR	  0x300
#define APIC_ICR_HIGH	  0x310 /* xAPIC only */
#define APIC_TIMER	  0x320
#define APIC_LINT0	  0x350
#define APIC_TIMER_COUNT  0x380
#define APIC_TMCCT	  0x390
#define APIC_TIMER_DIVIDE 0x3e0
#define APIC_SELF	  0x3f0 /* x2APIC only */
#define APIC_MSR(reg) (0x800u + ((reg) >> 4))

#define APIC_ENABLED	    0x1ff   /* spurious register: enabled, vector 0xff */
/* ICR: delivery modes, destinations. */
#define APIC_LOWEST  0x100
#define APIC_NMI     0x400
#define APIC_INIT    0x500
#define APIC_STARTUP 0x600
#define APIC_LOGICAL 0x800
#define APIC_ASSERT  0x4000
#define APIC_TO_SELF 0x40000 /* shorthand self, fixed */
#define APIC_TO_ALL  0x80000
#define APIC_TO_REST 0xc0000 /* all but self */

#define APIC_LVT_EXTINT	    0x700
#define APIC_LVT_MASKED	    0x10000
#define APIC_TIMER_PERIODIC 0x20000
#define APIC_TIMER_DEADLINE 0x40000
#define APIC_BASE_X2APIC    0x400

#define PIC_MASTER_DATA 0x21
#define PIC_SLAVE_DATA	0xa1
#define PIC_VECTOR	0x20 /* of IRQ 0, once pic_init() ran */

/* Whether apic_write() and apic_eoi() use x2APIC's MSRs. */
extern bool apic_x2apic;

/* Enables the local APIC, in the mode it is in. */
void apic_enable(void);

/* Switches to x2APIC. False, and nothing done, where the processor has none. */
bool apic_enable_x2apic(void);

void apic_write(uint32_t reg, uint32_t value);
uint32_t apic_read(uint32_t reg);

/* This processor's id, as the local APIC's register says it. */
uint32_t apic_id(void);

/*
 * Writes ICR: COMMAND is its low half, DESTINATION an id, or a logical one, below 256 in xAPIC mode.
 * There it takes two writes, between which no handler may send.
 */
void apic_send(uint32_t command, uint32_t destination);

void apic_eoi(void);

/* Moves the PICs' vectors to PIC_VECTOR and masks the lines whose bit in MASK (IRQ 0..15) is set.
 */
void pic_init(uint16_t mask);

/* End of an interrupt of the first PIC. */
void pic_eoi(void);

#endif
