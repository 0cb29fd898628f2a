/*
 * What the firmware's ACPI tables say of the board. Read once at boot by acpi_init(), then
 * read-only. The tables are input: everything is bounded, a table that is damaged is left out with
 * a warning. Chapter numbers are those of the ACPI specification 6.5.
 */
#ifndef NEAP_ARCH_X86_ACPI_H
#define NEAP_ARCH_X86_ACPI_H

#include "core/types.h"

#define ACPI_MAX_TABLES	    128
#define ACPI_TABLE_MAX_SIZE (4 * MIB)
#define ACPI_MAX_CPUS	    512
#define ACPI_MAX_IOAPICS    16
#define ACPI_MAX_OVERRIDES  32
#define ACPI_MAX_LAPIC_NMIS ACPI_MAX_CPUS /* some boards list each processor */
#define ACPI_MAX_SEGMENTS   8

/* A register's place (5.2.3.2 Generic Address Structure). Address 0: there is no such register. */
enum acpi_space { ACPI_MEMORY = 0, ACPI_IO = 1, ACPI_PCI = 2 };

struct acpi_gas {
	u8 space; /* enum acpi_space, or another that we do not know */
	u8 bit_width, bit_offset;
	u8 access; /* 0: not said, 1 to 4: byte, word, dword, qword */
	u64 address;
};

struct acpi_cpu {
	u32 apic_id;
	u32 uid;
	bool enabled; /* else it could be made so by hot-plug; not there now */
};

struct acpi_ioapic {
	u8 id;
	u32 address;
	u32 gsi_base;
};

/* MPS INTI flags: bits 0-1 polarity (1 high, 3 low), bits 2-3 trigger (1 edge, 3 level). */
struct acpi_override {
	u8 isa_irq;
	u32 gsi;
	u16 flags;
};

struct acpi_lapic_nmi {
	u32 uid; /* ACPI_ALL_CPUS: each */
	u16 flags;
	u8 lint;
};
#define ACPI_ALL_CPUS UINT32_MAX

struct acpi_madt {
	u64 lapic_address;
	bool has_pics; /* a pair of 8259s is there, too, and must be masked */
	unsigned cpu_count, ioapic_count, override_count, nmi_count;
	unsigned cpu_lost, ioapic_lost, override_lost, nmi_lost; /* beyond what we can hold */
	struct acpi_cpu cpu[ACPI_MAX_CPUS];
	struct acpi_ioapic ioapic[ACPI_MAX_IOAPICS];
	struct acpi_override override[ACPI_MAX_OVERRIDES];
	struct acpi_lapic_nmi nmi[ACPI_MAX_LAPIC_NMIS];
};

/* FADT flags (5.2.9, table 5.10) and boot architecture flags (table 5.11). */
#define ACPI_FADT_TIMER_32BIT BIT(8)
#define ACPI_FADT_RESET	      BIT(10)
#define ACPI_FADT_HW_REDUCED  BIT(20)
#define ACPI_BOOT_8042	      BIT(1)
#define ACPI_BOOT_NO_VGA      BIT(2)
#define ACPI_BOOT_NO_RTC      BIT(5)

struct acpi_fadt {
	u8 revision;
	u8 acpi_enable;	 /* written to port smi_cmd (0: none) */
	u8 century;	 /* CMOS index, 0: none */
	u8 reset_value;	 /* valid with ACPI_FADT_RESET */
	u8 pm1_evt_size; /* bytes: the status half, then the enable half */
	u16 sci_irq;
	u16 boot_flags; /* 0 with revision 1, which has none */
	u32 smi_cmd;
	u32 flags;
	struct acpi_gas pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm_timer;
	struct acpi_gas reset, sleep_control, sleep_status;
	u64 dsdt, dsdt_32; /* physical addresses, 0: none */
};

struct acpi_segment {
	u64 base; /* configuration space of bus 0, even when bus_start is not 0 */
	u16 number;
	u8 bus_start, bus_end;
};

/* A 16550-compatible port that the firmware uses or offers for its console. */
struct acpi_serial {
	bool present;
	const char *source; /* which table named it */
	struct acpi_gas regs;
	u32 baud;  /* 0: as the firmware has set it */
	u32 clock; /* Hz, 0: not said */
	bool has_irq, has_gsi;
	u8 irq;
	u32 gsi;
};

struct acpi_info {
	bool present;
	u8 revision;	/* of the RSDP: 0 for ACPI 1 */
	char oem_id[7]; /* of the RSDP */
	bool has_madt, has_fadt, has_s5;
	u8 s5_type_a, s5_type_b; /* SLP_TYP for soft-off */
	unsigned segment_count, segment_lost;
	u64 hpet; /* physical address, 0: none */
	struct acpi_madt madt;
	struct acpi_fadt fadt;
	struct acpi_segment segment[ACPI_MAX_SEGMENTS];
	struct acpi_serial serial;
};

extern struct acpi_info acpi_info;

/*
 * Reads everything into acpi_info. rsdp 0: looks for it where a BIOS leaves it. -ENOENT: no ACPI
 * here (acpi_info.present is false, and the machine is to be used without); -EINVAL: there is,
 * but its root is damaged. Boot CPU, once.
 */
int acpi_init(hpa_t rsdp) __must_check;

/* Logs a few lines about what was found. */
void acpi_print(void);

/*
 * The index-th (from 0) table with a four-letter signature and its length in bytes, checksum
 * verified, or NULL. "DSDT" is found, too. After acpi_init(); any context.
 */
const void *acpi_table_find(const char *signature, unsigned index, u32 *size);

#endif
