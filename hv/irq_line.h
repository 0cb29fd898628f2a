/* An interrupt wire from a virtual device to whatever it is plugged into (PIC and I/O APIC). */
#ifndef NEAP_HV_IRQ_LINE_H
#define NEAP_HV_IRQ_LINE_H

#include "core/types.h"

struct irq_line {
	/* Called with the device's lock held; takes only interrupt controllers' locks. */
	void (*set)(void *ctx, unsigned gsi, bool level);
	void *ctx;
	unsigned gsi;
};

static inline void irq_line_set(const struct irq_line *line, bool level)
{
	line->set(line->ctx, line->gsi, level);
}

#endif
