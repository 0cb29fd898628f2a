/* An interrupt message on a VM's APIC bus: from ICR writes, the I/O APIC and MSIs. */
#ifndef NEAP_HV_APIC_MSG_H
#define NEAP_HV_APIC_MSG_H

#include "core/types.h"

/* Delivery modes as the ICR and the redirection entries encode them (SDM vol. 3 11.6.1). */
enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST = 1,
	APIC_SMI = 2,
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_SIPI = 6,
	APIC_EXTINT = 7,
};

enum apic_shorthand { APIC_DEST, APIC_SELF, APIC_ALL, APIC_OTHERS };

struct apic_msg {
	enum apic_delivery delivery;
	enum apic_shorthand shorthand;
	u8 vector;
	bool logical; /* destination mode */
	bool level;   /* trigger mode: level */
	bool assert_level;
	u32 dest;    /* xAPIC 8-bit or x2APIC 32-bit form, see x2apic */
	bool x2apic; /* dest is in 32-bit form */
};

#endif
