#include "arch/x86/heartbeat.h"

#include "arch/x86/emulator.h"
#include "arch/x86/host_ioapic.h"
#include "arch/x86/i8254.h"
#include "arch/x86/trap.h"
#include "core/log.h"

#define PIT_COUNT (PIT_HZ / HEARTBEAT_HZ)
#define PIT_IRQ	  0
_Static_assert(PIT_COUNT <= UINT16_MAX, "what the 8254 counts");

/* To have interrupted is all. */
static void beat(void *arg)
{
	(void)arg;
}

void heartbeat_init(void)
{
	if (!emulator_is_tcg())
		return;
	if (trap_set_irq_handler(VEC_HEARTBEAT, beat, NULL) ||
	    host_ioapic_route_isa_to_all(PIT_IRQ, VEC_HEARTBEAT)) {
		log_warn("heartbeat: no interrupt for it: QEMU's TCG may lose others");
		return;
	}
	i8254_start(0, PIT_MODE_RATE_GENERATOR, PIT_COUNT);
	log_info("heartbeat: %u a second to each processor (QEMU's TCG loses interrupts)",
		 HEARTBEAT_HZ);
}
