/* An interrupt wire from a virtual device to whatever it is plugged into (PIC and I/O APIC). */
#ifndef NEAP_HV_IRQ_LINE_H
#define NEAP_HV_IRQ_LINE_H

#include "core/types.h"

struct irq_line {
	/* Called with the device's lock held; takes only interrupt controllers' locks. */
	void (*set)(void *ctx, unsigned gsi, bool level);
	void *ctx;
	unsigned gsi;
	/*
	 * Whether the processor has yet to take the last edge, so that another one would be lost. A
	 * hint: it may be old news. NULL: nobody knows. Called with the device's lock held; takes
	 * none.
	 */
	bool (*waits)(void *ctx, unsigned gsi);
};

/* Whether the last interrupt of this line was not taken yet; false if nobody can tell. */
static inline bool irq_line_waits(const struct irq_line *line)
{
	return line->waits && line->waits(line->ctx, line->gsi);
}

/* The line's level from now on. Takes the interrupt controllers' locks. */
static inline void irq_line_set(const struct irq_line *line, bool level)
{
	line->set(line->ctx, line->gsi, level);
}

#endif
