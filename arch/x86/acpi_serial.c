/*
 * The console port the firmware names: Serial Port Console Redirection and Debug Port 2, both from
 * Microsoft's documents of these names.
 */
#include "arch/x86/acpi_parse.h"
#include "core/log.h"

/* Interface types that behave as a 16550 does (both tables number them alike). */
static bool is_16550(u16 type)
{
	return type == 0x00 || type == 0x01 || type == 0x12;
}

static bool regs_are_usable(const struct acpi_gas *g)
{
	return (g->space == ACPI_IO && g->address && g->address <= UINT16_MAX - 7) ||
	       (g->space == ACPI_MEMORY && g->address);
}

static u32 spcr_baud(const u8 *t, u32 n)
{
	static const u32 rate[] = { [3] = 9600, [4] = 19200, [6] = 57600, [7] = 115200 };

	/* Revision 4 added the exact rate behind the code. */
	if (t[8] >= 4 && n >= 84 && get_le32(t + 80))
		return get_le32(t + 80);
	return t[58] < ARRAY_SIZE(rate) ? rate[t[58]] : 0;
}

bool acpi_parse_spcr(const u8 *t, u32 n, struct acpi_serial *out)
{
	struct acpi_serial s = { .present = true, .source = "SPCR" };

	if (n < 76) {
		log_warn("acpi: SPCR: only %u bytes, ignored", n);
		return false;
	}
	s.regs = acpi_get_gas(t + 40);
	if (!s.regs.address)
		return false; /* console redirection is switched off */
	if (!is_16550(t[36]) || !regs_are_usable(&s.regs)) {
		log_warn("acpi: SPCR: port of type %u at %s 0x%lx, ignored", t[36],
			 s.regs.space == ACPI_IO ? "io" : "mmio", s.regs.address);
		return false;
	}
	s.has_irq = (t[52] & BIT(0)) && t[53] < 16;
	s.irq = t[53];
	s.has_gsi = t[52] & BIT(1);
	s.gsi = get_le32(t + 54);
	s.baud = spcr_baud(t, n);
	/* The clock came with revision 3. */
	if (t[8] >= 3 && n >= 80)
		s.clock = get_le32(t + 76);
	*out = s;
	return true;
}

/* One device of n bytes; its first register block counts. */
static bool dbg2_device(const u8 *d, u32 n, struct acpi_serial *out)
{
	u16 regs = get_le16(d + 18);

	if (get_le16(d + 12) != 0x8000 || !is_16550(get_le16(d + 14)) || !d[3])
		return false;
	if (n < ACPI_GAS_SIZE || regs > n - ACPI_GAS_SIZE) {
		log_warn("acpi: DBG2: registers outside of their entry, ignored");
		return false;
	}
	*out = (struct acpi_serial){ .present = true,
				     .source = "DBG2",
				     .regs = acpi_get_gas(d + regs) };
	return regs_are_usable(&out->regs);
}

bool acpi_parse_dbg2(const u8 *t, u32 n, struct acpi_serial *out)
{
	struct acpi_serial s;
	u32 at, count;

	if (n < 44 || get_le32(t + 36) > n) {
		log_warn("acpi: DBG2: damaged, ignored");
		return false;
	}
	at = get_le32(t + 36);
	count = get_le32(t + 40);
	/* Each turn moves on by 22 bytes or more. */
	for (; count && n - at >= 22; count--) {
		u16 size = get_le16(t + at + 1);

		if (size < 22 || size > n - at) {
			log_warn("acpi: DBG2: an entry does not fit, the rest ignored");
			return false;
		}
		if (dbg2_device(t + at, size, &s)) {
			*out = s;
			return true;
		}
		at += size;
	}
	return false;
}
