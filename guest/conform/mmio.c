/* Emulated accesses, at a register that keeps what is written: a masked pin of the I/O APIC. */
#include <string.h>
#include "apic.h"
#include "conform.h"
#include "mmioprobes.h"

#define MMIO_PIN    0x3au /* the low half of pin 21 */
#define MMIO_WINDOW (IOAPIC_BASE + 0x10)
#define MMIO_MASKED 0x10000u /* all values here keep it */
#define MMIO_NOBODY 0xd0000000ul

#define MMIO_LIST(X)                                            \
	/*  name, before, RAX, RBX, after, RAX after */         \
	X(load, 0x10041, 0, 0, 0x10041, 0x10041)                \
	X(store, 0x10041, 0x10052, 0, 0x10052, 0x10052)         \
	X(store_high, 0x10041, 0, 0, 0x10077, 0)                \
	X(store_imm, 0x10041, 0, 0, 0x10061, 0)                 \
	X(store_sib, 0x10041, 0x10053, 0, 0x10053, 0x10053)     \
	X(xchg, 0x10041, 0x10052, 0, 0x10052, 0x10041)          \
	X(xadd, 0x10041, 2, 0, 0x10043, 0x10041)                \
	X(cmpxchg, 0x10041, 0x10041, 0x10044, 0x10044, 0x10041) \
	X(or, 0x10041, 0x12, 0, 0x10053, 0x12)                  \
	X(and, 0x10043, 0x10042, 0, 0x10042, 0x10042)           \
	X(xor, 0x10041, 3, 0, 0x10042, 3)                       \
	X(add, 0x10041, 9, 0, 0x1004a, 9)                       \
	X(sub, 0x10049, 9, 0, 0x10040, 9)                       \
	X(inc, 0x10041, 0, 0, 0x10042, 0)                       \
	X(dec, 0x10041, 0, 0, 0x10040, 0)                       \
	X(bts, 0x10041, 0, 0, 0x10049, 0)                       \
	X(btr, 0x10049, 0, 0, 0x10041, 0)                       \
	X(stos, 0x10041, 0x10054, 0, 0x10054, 0x10054)          \
	X(movs, 0x10041, 0, 0, 0x10099, 0)                      \
	X(movzx8, 0x100c1, ~0ul, 0, 0x100c1, 0xc1)              \
	X(movsx16, 0x180c1, 0, 0, 0x180c1, 0xffff80c1)          \
	X(load8, 0x10042, 0x11ff33, 0, 0x10042, 0x114233)       \
	X(sse_store, 0x10041, 0x10056, 0, 0x10056, 0x10056)

#define MMIO_DECLARE(name, ...) CODE_DECLARE(mmio_##name)
MMIO_LIST(MMIO_DECLARE)

static const uint32_t mmio_source = 0x10099; /* what MOVS moves */

struct mmio_row {
	const char *name;
	struct code code;
	uint32_t before;
	uint64_t rax, rbx;
	uint32_t after;
	uint64_t rax_after;
};

static void mmio_pin_write(uint32_t value)
{
	mmio_write32(IOAPIC_BASE, MMIO_PIN);
	mmio_write32(MMIO_WINDOW, value);
}

static void mmio_check(const struct mmio_row *row)
{
	struct regs r;

	memset(&r, 0, sizeof(r));
	r.rax = row->rax;
	r.rbx = row->rbx;
	r.rcx = 2;
	r.r14 = 0x10077;
	r.rdi = MMIO_WINDOW;
	r.rsi = (uintptr_t)&mmio_source;
	check_begin("mmio-%s", row->name);
	mmio_pin_write(row->before);
	code_run(row->code, &r);
	check_count(0);
	check_equal("the register", row->after, mmio_read32(MMIO_WINDOW));
	check_equal("RAX", row->rax_after, r.rax);
	mmio_pin_write(MMIO_MASKED);
	check_end();
}

/* Every kind of access, where all reads give ones. */
static void mmio_check_probes(const char *name, uintptr_t address)
{
	const struct mmio_probe *probe = NULL;

	check_begin("mmio-nobody-%s", name);
	event_forget();
	while ((probe = mmio_probe_next(probe)))
		if (address % probe->align == 0)
			check_true(probe->name, probe->run((volatile void *)address, ~0ull));
	check_count(0);
	check_end();
}

#define MMIO_CHECK(name, ...) \
	mmio_check(&(const struct mmio_row){ #name, CODE(mmio_##name), __VA_ARGS__ });

void conform_mmio(void)
{
	MMIO_LIST(MMIO_CHECK)
	mmio_check_probes("aligned", MMIO_NOBODY);
	mmio_check_probes("unaligned", MMIO_NOBODY + 0x103);
	mmio_check_probes("over-page-end", MMIO_NOBODY + 0xfff);
}
