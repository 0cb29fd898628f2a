/* CR8 and the local APIC's TPR: one register, and what it holds back. */
#include <string.h>
#include "ipi.h"

#define TPR_LOW	 0x45u /* class 4 */
#define TPR_HIGH 0x65u
#define TPR_BAD	 16 /* CR8 has four bits */

IPI_DECLARE(tpr_lower)
IPI_DECLARE(tpr_lower_mov_ss)
IPI_DECLARE(ipi_enabled)
CODE_DECLARE(tpr_write)

static uint64_t cr8_read(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr8, %0" : "=r"(value));
	return value;
}

static void cr8_write(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr8" : : "r"(value) : "memory");
}

/* VECTOR is held back by CR8 and passes when it is lowered, at once. */
static void tpr_check_lower(const char *mode, const char *name, struct code code, uint64_t from,
			    uint64_t to)
{
	struct regs r = ipi_regs(TPR_LOW, 0);

	check_begin("tpr-%s-%u-%u-%s", name, (unsigned int)from, (unsigned int)to, mode);
	r.rbx = from;
	r.r10 = to;
	code_run(code, &r);
	check_event(0, TPR_LOW, code.point[0]);
	check_count(1);
	check_equal("CR8", to, cr8_read());
	check_equal("TPR", to << 4, ipi_apic_read(APIC_TPR));
	cr8_write(0);
	check_end();
}

/* Lowered, but not far enough for what waits: what is read back, before and behind. */
static void tpr_check_read_back(const char *mode)
{
	struct regs r = ipi_regs(TPR_LOW, 0);

	check_begin("tpr-read-back-%s", mode);
	r.rbx = 9;
	r.r10 = 5;
	code_run(IPI_CODE(tpr_lower), &r);
	check_equal("CR8", 9, r.r12);
	check_equal("CR8 when it was lowered", 5, r.r13);
	check_count(0);
	irq_enable();
	cr8_write(0);
	irq_disable();
	check_count(1);
	check_end();
}

static void tpr_check_high(const char *mode)
{
	struct code code = IPI_CODE(ipi_enabled);
	struct regs r = ipi_regs(TPR_HIGH, 0);

	check_begin("tpr-passes-higher-%s", mode);
	cr8_write(TPR_HIGH / 16 - 1);
	code_run(code, &r);
	check_event(0, TPR_HIGH, code.point[0]);
	check_count(1);
	cr8_write(0);
	check_end();
}

/* Held back with CR8 untouched, and lowered by the local APIC's register. */
static void tpr_check_register(const char *mode)
{
	struct code code = IPI_CODE(ipi_enabled);
	struct regs r = ipi_regs(TPR_LOW, 0);

	check_begin("tpr-register-lowers-%s", mode);
	apic_write(APIC_TPR, 0x4f);
	code_run(code, &r);
	check_count(0);
	check_true("IRR", ipi_bit(APIC_IRR, TPR_LOW));
	irq_enable();
	apic_write(APIC_TPR, 0x3f);
	irq_disable();
	check_count(1);
	check_equal("vector", TPR_LOW, events[0].vector);
	check_equal("IRR", 0, ipi_bit(APIC_IRR, TPR_LOW));
	cr8_write(0);
	check_end();
}

static void tpr_check_same(const char *mode)
{
	unsigned int i;

	check_begin("tpr-is-cr8-%s", mode);
	for (i = 0; i < 16; i++) {
		cr8_write(i);
		check_equal("CR8", i, cr8_read());
		check_equal("TPR", i << 4, ipi_apic_read(APIC_TPR));
		check_equal("PPR", i << 4, ipi_apic_read(APIC_PPR));
		cpuid(0, 0);
		apic_write(APIC_TPR, 0xf0 - (i << 4) + i);
		check_equal("TPR written", 0xf0 - (i << 4) + i, ipi_apic_read(APIC_TPR));
		check_equal("CR8 of that", 15 - i, cr8_read());
	}
	cr8_write(0);
	check_end();
}

static void tpr_check_reserved(const char *mode)
{
	struct regs r = { .rbx = TPR_BAD };

	if (check_skip_qemu("tpr-reserved", "QEMU takes four bits"))
		return;
	check_begin("tpr-reserved-%s", mode);
	cr8_write(5);
	code_run(CODE(tpr_write), &r);
	check_event(0, VEC_GP, CODE(tpr_write).point[0]);
	check_count(1);
	check_equal("CR8", 5, cr8_read());
	cr8_write(0);
	check_end();
}

void conform_tpr(const char *mode)
{
	tpr_check_same(mode);
	tpr_check_reserved(mode);
	tpr_check_read_back(mode);
	tpr_check_lower(mode, "lower", IPI_CODE(tpr_lower), 4, 3);
	tpr_check_lower(mode, "lower", IPI_CODE(tpr_lower), 15, 0);
	if (main_on_bochs() && !cpu_is_amd())
		check_skip("tpr-lower-mov-ss", "Bochs leaves the shadow one instruction late");
	else
		tpr_check_lower(mode, "lower-mov-ss", IPI_CODE(tpr_lower_mov_ss), 4, 3);
	tpr_check_high(mode);
	tpr_check_register(mode);
}
