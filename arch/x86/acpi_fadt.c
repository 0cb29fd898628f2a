/* Fixed hardware (5.2.9 Fixed ACPI Description Table). */
#include "arch/x86/acpi_parse.h"
#include "core/log.h"

#define FADT_SIZE_V1 116
#define FADT_SIZE    268 /* up to and with SLEEP_STATUS_REG */

/* Offsets of what we read. */
enum {
	F_REVISION = 8,
	F_DSDT = 40,
	F_SCI_INT = 46,
	F_SMI_CMD = 48,
	F_ACPI_ENABLE = 52,
	F_PM1A_EVT = 56,
	F_PM1B_EVT = 60,
	F_PM1A_CNT = 64,
	F_PM1B_CNT = 68,
	F_PM_TMR = 76,
	F_PM1_EVT_LEN = 88,
	F_CENTURY = 108,
	F_BOOT_ARCH = 109,
	F_FLAGS = 112,
	F_RESET_REG = 116,
	F_RESET_VALUE = 128,
	F_X_DSDT = 140,
	F_X_PM1A_EVT = 148,
	F_X_PM1B_EVT = 160,
	F_X_PM1A_CNT = 172,
	F_X_PM1B_CNT = 184,
	F_X_PM_TMR = 208,
	F_SLEEP_CONTROL = 244,
	F_SLEEP_STATUS = 256,
};
_Static_assert(F_SLEEP_STATUS + ACPI_GAS_SIZE == FADT_SIZE, "the last field");

/* The extended field counts when it names an address, else the port of the old one does. */
static struct acpi_gas fixed_register(const u8 *f, unsigned ext, unsigned old, u8 bits)
{
	struct acpi_gas g = acpi_get_gas(f + ext);
	u32 port = get_le32(f + old);

	if (g.address && (g.space == ACPI_MEMORY || g.space == ACPI_IO))
		return g;
	if (port > UINT16_MAX) {
		log_warn("acpi: FADT: port 0x%x does not exist, ignored", port);
		port = 0;
	}
	return (struct acpi_gas){ .space = ACPI_IO, .bit_width = bits, .address = port };
}

bool acpi_parse_fadt(const u8 *t, u32 n, struct acpi_fadt *out)
{
	u8 f[FADT_SIZE] = { 0 }; /* so that fields of later revisions read as absent */

	if (n < FADT_SIZE_V1) {
		log_warn("acpi: FADT: only %u bytes, ignored", n);
		return false;
	}
	memcpy(f, t, MIN(n, FADT_SIZE));
	*out = (struct acpi_fadt){
		.revision = f[F_REVISION],
		.acpi_enable = f[F_ACPI_ENABLE],
		.century = f[F_CENTURY],
		.reset_value = f[F_RESET_VALUE],
		.pm1_evt_size = f[F_PM1_EVT_LEN],
		.sci_irq = get_le16(f + F_SCI_INT),
		.boot_flags = f[F_REVISION] >= 2 ? get_le16(f + F_BOOT_ARCH) : 0,
		.smi_cmd = get_le32(f + F_SMI_CMD),
		.flags = get_le32(f + F_FLAGS),
		.pm1a_evt = fixed_register(f, F_X_PM1A_EVT, F_PM1A_EVT, 32),
		.pm1b_evt = fixed_register(f, F_X_PM1B_EVT, F_PM1B_EVT, 32),
		.pm1a_cnt = fixed_register(f, F_X_PM1A_CNT, F_PM1A_CNT, 16),
		.pm1b_cnt = fixed_register(f, F_X_PM1B_CNT, F_PM1B_CNT, 16),
		.pm_timer = fixed_register(f, F_X_PM_TMR, F_PM_TMR, 32),
		.reset = acpi_get_gas(f + F_RESET_REG),
		.sleep_control = acpi_get_gas(f + F_SLEEP_CONTROL),
		.sleep_status = acpi_get_gas(f + F_SLEEP_STATUS),
		.dsdt = get_le64(f + F_X_DSDT),
		.dsdt_32 = get_le32(f + F_DSDT),
	};
	return true;
}
