/* The machine's own I/O APICs: everything masked but what the hypervisor uses itself. */
#ifndef NEAP_ARCH_X86_HOST_IOAPIC_H
#define NEAP_ARCH_X86_HOST_IOAPIC_H

#include "core/types.h"

/* Maps the I/O APICs of the MADT, masks every pin and the 8259s. After acpi_init(). Boot CPU, once.
 */
void host_ioapic_init(void);

/*
 * Routes an ISA interrupt (by the MADT's overrides) or a GSI to a vector on the boot CPU and
 * unmasks it. -ENODEV: no I/O APIC has it. Boot CPU, at boot.
 */
int host_ioapic_route_isa(u32 irq, u8 vector) __must_check;
int host_ioapic_route_gsi(u32 gsi, bool level, bool low, u8 vector) __must_check;
/* The same, an edge, to all processors. */
int host_ioapic_route_isa_to_all(u32 irq, u8 vector) __must_check;

#endif
