#include "hv/dev/acpi_fadt.h"

#include "hv/dev/pm.h"
#include "hv/dev/reset.h"
#include "hv/dev/rtc_regs.h"

#define FADT_REVISION 6
#define FADT_MINOR    0

/* Boot architecture flags (ACPI 6.4, table 5.10). No 8042: it has no keyboard, nothing to find. */
#define BOOT_LEGACY_DEVICES 0x0001
#define BOOT_NO_VGA	    0x0004
#define BOOT_NO_ASPM	    0x0010

/* Fixed feature flags (table 5.9). The power button is a fixed one: its flag is clear. */
#define FADT_WBINVD	  BIT(0)
#define FADT_PROC_C1	  BIT(2)
#define FADT_NO_SLEEP_BTN BIT(5)
#define FADT_NO_RTC_EVENT BIT(6)
#define FADT_TIMER_32	  BIT(8)
#define FADT_RESET_REG	  BIT(10)
#define FADT_FLAGS                                                                            \
	(FADT_WBINVD | FADT_PROC_C1 | FADT_NO_SLEEP_BTN | FADT_NO_RTC_EVENT | FADT_TIMER_32 | \
	 FADT_RESET_REG)

/* Latencies that say "no C2" and "no C3" (above 100 and 1000 us). */
#define NO_C2_LATENCY 0x0fff
#define NO_C3_LATENCY 0x0fff

enum access_size { ACCESS_BYTE = 1, ACCESS_WORD = 2, ACCESS_DWORD = 3 };

/* A generic address structure in I/O space (table 5.1). */
static void put_io_register(struct acpi_writer *w, u16 port, unsigned bytes, enum access_size size)
{
	acpi_put(w, 1, 1); /* system I/O */
	acpi_put(w, 1, bytes * 8);
	acpi_put(w, 1, 0);
	acpi_put(w, 1, size);
	acpi_put(w, 8, port);
}

static void put_no_register(struct acpi_writer *w)
{
	acpi_put_zeros(w, 12);
}

/* SCI and the register blocks by 32-bit port numbers: offsets 46 to 94. */
static void put_ports(struct acpi_writer *w)
{
	acpi_put(w, 2, PM_SCI_IRQ);
	acpi_put(w, 4, 0); /* SMI command: none, always in ACPI mode */
	acpi_put(w, 4, 0); /* ACPI enable and disable, S4BIOS, P-state control */
	acpi_put(w, 4, PM_EVENT_PORT);
	acpi_put(w, 4, 0); /* PM1b event */
	acpi_put(w, 4, PM_CTRL_PORT);
	acpi_put(w, 4, 0); /* PM1b control */
	acpi_put(w, 4, 0); /* PM2 control */
	acpi_put(w, 4, PM_TIMER_PORT);
	acpi_put(w, 4, PM_GPE_PORT);
	acpi_put(w, 4, 0); /* GPE1 */
	acpi_put(w, 1, PM_EVENT_LEN);
	acpi_put(w, 1, PM_CTRL_LEN);
	acpi_put(w, 1, 0);
	acpi_put(w, 1, PM_TIMER_LEN);
	acpi_put(w, 1, PM_GPE_LEN);
	acpi_put(w, 1, 0);
	acpi_put(w, 1, 0); /* first GPE of block 1 */
	acpi_put(w, 1, 0); /* C-state control */
}

/* Processor states, RTC indices and flags: offsets 96 to 130. */
static void put_features(struct acpi_writer *w)
{
	acpi_put(w, 2, NO_C2_LATENCY);
	acpi_put(w, 2, NO_C3_LATENCY);
	acpi_put(w, 4, 0); /* flush size and stride: WBINVD works */
	acpi_put(w, 2, 0); /* duty cycle: none */
	acpi_put(w, 2, 0); /* CMOS indices of the day and month alarm: none */
	acpi_put(w, 1, RTC_CENTURY);
	acpi_put(w, 2, BOOT_LEGACY_DEVICES | BOOT_NO_VGA | BOOT_NO_ASPM);
	acpi_put(w, 1, 0);
	acpi_put(w, 4, FADT_FLAGS);
	put_io_register(w, RESET_CONTROL_PORT, 1, ACCESS_BYTE);
	acpi_put(w, 1, RESET_CONTROL_VALUE);
	acpi_put(w, 2, 0); /* ARM boot flags */
	acpi_put(w, 1, FADT_MINOR);
}

/* The register blocks again, as generic addresses: offsets 148 to 267. */
static void put_registers(struct acpi_writer *w)
{
	put_io_register(w, PM_EVENT_PORT, PM_EVENT_LEN, ACCESS_WORD);
	put_no_register(w); /* PM1b event */
	put_io_register(w, PM_CTRL_PORT, PM_CTRL_LEN, ACCESS_WORD);
	put_no_register(w); /* PM1b control */
	put_no_register(w); /* PM2 control */
	put_io_register(w, PM_TIMER_PORT, PM_TIMER_LEN, ACCESS_DWORD);
	put_io_register(w, PM_GPE_PORT, PM_GPE_LEN, ACCESS_BYTE);
	put_no_register(w); /* GPE1 */
	put_no_register(w); /* sleep control and status: those of reduced hardware */
	put_no_register(w);
}

u64 acpi_put_fadt(struct acpi_writer *w, u64 facs, u64 dsdt)
{
	size_t start = acpi_begin(w, "FACP", FADT_REVISION);

	acpi_put(w, 4, facs);
	acpi_put(w, 4, dsdt);
	acpi_put(w, 1, 0); /* was: interrupt model */
	acpi_put(w, 1, 0); /* power profile: unspecified */
	put_ports(w);
	put_features(w);
	acpi_put(w, 8, 0); /* 64-bit FACS: it has its 32-bit address */
	acpi_put(w, 8, dsdt);
	put_registers(w);
	acpi_put_bytes(w, "NEAP\0\0\0", 8); /* hypervisor vendor */
	return acpi_end(w, start);
}
