#include "arch/x86/power.h"

#include <string.h>

#include "arch/x86/acpi.h"
#include "arch/x86/pio.h"
#include "arch/x86/uart.h"
#include "core/log.h"
#include "core/time.h"
#include "mm/phys.h"

/* ACPI 4.8.3: PM1 control and status registers. */
#define PM1_SCI_EN	  BIT(0)
#define PM1_SLP_TYP_SHIFT 10
#define PM1_SLP_TYP_MASK  (7u << PM1_SLP_TYP_SHIFT)
#define PM1_SLP_EN	  BIT(13)
#define PM1_WAK_STS	  BIT(15)
/* ACPI 4.8.3.7: the sleep control register of reduced hardware. */
#define SLEEP_TYP_SHIFT 2
#define SLEEP_EN	BIT(5)
#define SLEEP_WAK_STS	BIT(7)

#define PORT_DELAY	   0x80	    /* the POST port: an access takes about a microsecond */
#define LAST_DELAY_US	   5000000u /* before it is said that it does not work */
#define PORT_PCI_ADDRESS   0xcf8
#define PORT_PCI_DATA	   0xcfc
#define PORT_RESET_CONTROL 0xcf9
#define PORT_KBD_STATUS	   0x64
#define PORT_BOCHS	   0x8900

#define KBD_INPUT_FULL	0x02
#define KBD_PULSE_RESET 0xfe
#define RESET_SYSTEM	0x02
#define RESET_CPU	0x04

/* A register of ours: where ACPI says, and mapped if that is in memory. */
struct power_reg {
	struct acpi_gas gas;
	volatile void *mapped;
};

/* Filled by power_init(), then read-only. */
static struct power_reg pm1a_cnt, pm1b_cnt, pm1a_evt, pm1b_evt, reset_reg, sleep_control,
	sleep_status;

static void reg_init(struct power_reg *r, const struct acpi_gas *gas)
{
	r->gas = *gas;
	r->mapped = NULL;
	if (gas->address && gas->space == ACPI_MEMORY) {
		r->mapped = phys_map_device(HPA(gas->address), sizeof(u32));
		if (!r->mapped)
			r->gas.address = 0;
	}
}

void power_init(void)
{
	const struct acpi_fadt *f = &acpi_info.fadt;

	reg_init(&pm1a_cnt, &f->pm1a_cnt);
	reg_init(&pm1b_cnt, &f->pm1b_cnt);
	reg_init(&pm1a_evt, &f->pm1a_evt);
	reg_init(&pm1b_evt, &f->pm1b_evt);
	reg_init(&reset_reg, &f->reset);
	reg_init(&sleep_control, &f->sleep_control);
	reg_init(&sleep_status, &f->sleep_status);
}

static bool reg_exists(const struct power_reg *r)
{
	return r->gas.address != 0;
}

/* By the clock, too: an emulator answers for the port at once, and does what it was asked to in a
 * thread of its own. */
static void delay_us(unsigned us)
{
	u64 start = time_now(), ticks = time_ns_to_ticks(us * 1000ull);

	for (; us || time_now() - start < ticks; us -= us != 0)
		(void)inb(PORT_DELAY);
}

static u16 reg_read16(const struct power_reg *r)
{
	if (r->mapped)
		return *(volatile u16 *)r->mapped;
	return r->gas.space == ACPI_IO ? inw((u16)r->gas.address) : 0;
}

static void reg_write16(const struct power_reg *r, u16 v)
{
	if (r->mapped)
		*(volatile u16 *)r->mapped = v;
	else if (r->gas.space == ACPI_IO)
		outw((u16)r->gas.address, v);
}

/* ACPI 5.2.3.2: in PCI space the address is device, function and offset on bus 0. */
static void pci_write8(u64 address, u8 v)
{
	u32 device = (address >> 32) & 0x1f, function = (address >> 16) & 7;
	u32 offset = address & 0xff;

	outl(PORT_PCI_ADDRESS, 0x80000000u | device << 11 | function << 8 | (offset & ~3u));
	outb(PORT_PCI_DATA + (offset & 3), v);
}

static void reg_write8(const struct power_reg *r, u8 v)
{
	if (r->mapped)
		*(volatile u8 *)r->mapped = v;
	else if (r->gas.space == ACPI_IO)
		outb((u16)r->gas.address, v);
	else if (r->gas.space == ACPI_PCI)
		pci_write8(r->gas.address, v);
}

/* ACPI 4.8.2.3: the sleep registers are the chipset's only once the firmware has handed them over.
 */
static void acpi_enable(void)
{
	const struct acpi_fadt *f = &acpi_info.fadt;

	if ((reg_read16(&pm1a_cnt) & PM1_SCI_EN) || !f->smi_cmd || f->smi_cmd > UINT16_MAX ||
	    !f->acpi_enable)
		return;
	outb((u16)f->smi_cmd, f->acpi_enable);
	for (unsigned ms = 0; ms < 3000; ms++) {
		if (reg_read16(&pm1a_cnt) & PM1_SCI_EN)
			return;
		delay_us(1000);
	}
	log_warn("power: the firmware does not hand over the power registers");
}

static void pm1_prepare(const struct power_reg *r, u8 type)
{
	u16 v = reg_read16(r) & (u16) ~(PM1_SLP_TYP_MASK | PM1_SLP_EN);

	reg_write16(r, v | (u16)(type << PM1_SLP_TYP_SHIFT));
}

static void pm1_sleep(const struct power_reg *r)
{
	reg_write16(r, reg_read16(r) | PM1_SLP_EN);
}

/* ACPI 16.1.4 (entering a sleeping state), without the parts for coming back. */
static void off_pm1(void)
{
	if (!reg_exists(&pm1a_cnt))
		return;
	acpi_enable();
	if (reg_exists(&pm1a_evt))
		reg_write16(&pm1a_evt, PM1_WAK_STS);
	if (reg_exists(&pm1b_evt))
		reg_write16(&pm1b_evt, PM1_WAK_STS);
	pm1_prepare(&pm1a_cnt, acpi_info.s5_type_a);
	if (reg_exists(&pm1b_cnt))
		pm1_prepare(&pm1b_cnt, acpi_info.s5_type_b);
	pm1_sleep(&pm1a_cnt);
	if (reg_exists(&pm1b_cnt))
		pm1_sleep(&pm1b_cnt);
	delay_us(LAST_DELAY_US);
}

static void off_reduced(void)
{
	if (!reg_exists(&sleep_control))
		return;
	if (reg_exists(&sleep_status))
		reg_write8(&sleep_status, SLEEP_WAK_STS);
	reg_write8(&sleep_control, (u8)(acpi_info.s5_type_a << SLEEP_TYP_SHIFT | SLEEP_EN));
	delay_us(LAST_DELAY_US);
}

/* Bochs ends on this word. SeaBIOS names itself so under QEMU, too, which has no such port. */
static void off_bochs(void)
{
	static const char word[] = "Shutdown";

	if (memcmp(acpi_info.oem_id, "BOCHS", 5))
		return;
	for (size_t i = 0; i < sizeof(word) - 1; i++)
		outb(PORT_BOCHS, (u8)word[i]);
	delay_us(1000);
}

void power_off(void)
{
	host_uart_drain();
	if (acpi_info.has_s5 && acpi_info.has_fadt) {
		if (acpi_info.fadt.flags & ACPI_FADT_HW_REDUCED)
			off_reduced();
		else
			off_pm1();
	}
	off_bochs();
	log_warn("power: the machine does not switch off");
}

static void reset_chipset(void)
{
	u8 v = inb(PORT_RESET_CONTROL) & (u8) ~(RESET_SYSTEM | RESET_CPU);

	/* The reset happens when the CPU bit rises; the kind has to be there before. */
	outb(PORT_RESET_CONTROL, v | RESET_SYSTEM);
	delay_us(50);
	outb(PORT_RESET_CONTROL, v | RESET_SYSTEM | RESET_CPU);
	delay_us(50000);
}

static void reset_keyboard(void)
{
	for (unsigned i = 0; i < 10000 && (inb(PORT_KBD_STATUS) & KBD_INPUT_FULL); i++)
		delay_us(2);
	outb(PORT_KBD_STATUS, KBD_PULSE_RESET);
	delay_us(LAST_DELAY_US);
}

void power_reset(void)
{
	host_uart_drain();
	if (acpi_info.has_fadt && (acpi_info.fadt.flags & ACPI_FADT_RESET) &&
	    reg_exists(&reset_reg)) {
		reg_write8(&reset_reg, acpi_info.fadt.reset_value);
		delay_us(50000);
	}
	reset_chipset();
	reset_keyboard();
	log_warn("power: the machine does not reset");
}
