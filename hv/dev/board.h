/* The PC around a guest's processors: its devices, and the wires between them. */
#ifndef NEAP_HV_DEV_BOARD_H
#define NEAP_HV_DEV_BOARD_H

#include "hv/dev/debug_exit.h"
#include "hv/dev/ioapic.h"
#include "hv/dev/kbc.h"
#include "hv/dev/pic.h"
#include "hv/dev/pit.h"
#include "hv/dev/pm.h"
#include "hv/dev/port61.h"
#include "hv/dev/reset.h"
#include "hv/dev/rtc.h"
#include "hv/dev/uart.h"

struct vm;

struct board {
	struct pic pic;
	struct ioapic ioapic;
	struct pit pit;
	struct port61 port61;
	struct rtc rtc;
	struct pm pm;
	struct reset reset;
	struct kbc kbc;
	struct uart uart;
	struct debug_exit debug_exit;
	struct vm_power power;
};

/*
 * Builds the devices that the VM's configuration asks for and registers them on its buses; writes
 * the ACPI tables into its memory. The VM's memory map, console and APIC bus must be there.
 * Negative errno: nothing runs yet, call board_fini() all the same.
 */
int board_init(struct vm *vm) __must_check;

/* Stops the devices' timers. With all vCPUs stopped. */
void board_fini(struct vm *vm);

#endif
