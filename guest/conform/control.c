/* CR0, CR3 and CR4, and the MSRs EFER and PAT. */
#include <stdio.h>
#include <string.h>
#include "conform.h"

#define CONTROL_REGISTERS 16 /* general ones */

#define EFER_SCE  0x1ul
#define EFER_LME  0x100ul
#define EFER_NXE  0x800ul
#define EFER_SVME 0x1000ul

#define PAT_RESET 0x0007040600070406ul
#define PAT_OTHER 0x0506070001040506ul

/* Of #PF's error code. */
#define PF_PRESENT  1u
#define PF_WRITE    2u
#define PF_RESERVED 8u
#define PF_FETCH    16u

CODE_DECLARE(control_cr0)
CODE_DECLARE(control_cr4)
CODE_DECLARE(control_store)
CODE_DECLARE(control_clts)
CODE_DECLARE(control_lmsw)
CODE_DECLARE(control_wrmsr)
CODE_DECLARE(control_rdmsr)
CODE_DECLARE(control_jump)
CODE_DECLARE(control_load)

/* A code and its points, of which there is one. */
struct control_by {
	const char *start;
	const uint64_t *point;
};
extern const struct control_by control_cr0_by[], control_cr3_by[], control_cr4_by[],
	control_cr8_by[];
extern volatile uint64_t control_value, control_original, control_result;

/* A bit of CR4 and the CPUID bit that offers it. */
struct control_feature {
	const char *name;
	unsigned int bit;
	uint32_t leaf;
	char reg; /* b, c or d */
	unsigned int feature;
};

static const struct control_feature control_cr4_bits[] = {
	{ "vme", 0, 1, 'd', 1 },	  { "pvi", 1, 1, 'd', 1 },
	{ "tsd", 2, 1, 'd', 4 },	  { "de", 3, 1, 'd', 2 },
	{ "pse", 4, 1, 'd', 3 },	  { "mce", 6, 1, 'd', 7 },
	{ "pge", 7, 1, 'd', 13 },	  { "osfxsr", 9, 1, 'd', 24 },
	{ "osxmmexcpt", 10, 1, 'd', 25 }, { "umip", 11, 7, 'c', 2 },
	{ "vmxe", 13, 1, 'c', 5 },	  { "smxe", 14, 1, 'c', 6 },
	{ "fsgsbase", 16, 7, 'b', 0 },	  { "pcide", 17, 1, 'c', 17 },
	{ "osxsave", 18, 1, 'c', 26 },	  { "smep", 20, 7, 'b', 7 },
	{ "smap", 21, 7, 'b', 20 },	  { "pke", 22, 7, 'c', 3 },
	{ "cet", 23, 7, 'c', 7 },	  { "pks", 24, 7, 'c', 31 },
};

static bool control_offered(const struct control_feature *f)
{
	struct cpuid c = cpuid(f->leaf, 0);
	uint32_t value = f->reg == 'b' ? c.ebx : f->reg == 'c' ? c.ecx : c.edx;

	return value >> f->feature & 1;
}

/* WANT is what is read back; 0: the write is refused, and changes nothing. */
static void control_check_cr0(const char *name, uint64_t value, uint64_t want)
{
	struct regs r = { .rbx = value, .rcx = cr0_read(), .r8 = 0 };

	check_begin("cr0-%s", name);
	code_run(CODE(control_cr0), &r);
	if (want) {
		check_count(0);
		check_equal("CR0", want, r.r8);
	} else {
		check_event(0, VEC_GP, CODE(control_cr0).point[0]);
		check_equal("error code", 0, events[0].error);
		check_count(1);
	}
	check_equal("CR0 afterwards", r.rcx, cr0_read());
	check_end();
}

static void control_check_cr4(const char *name, uint64_t value, uint64_t want)
{
	struct regs r = { .rbx = value, .rcx = cr4_read(), .r8 = 0 };

	check_begin("cr4-%s", name);
	code_run(CODE(control_cr4), &r);
	if (want) {
		check_count(0);
		check_equal("CR4", want, r.r8);
	} else {
		check_event(0, VEC_GP, CODE(control_cr4).point[0]);
		check_equal("error code", 0, events[0].error);
		check_count(1);
	}
	check_equal("CR4 afterwards", r.rcx, cr4_read());
	check_end();
}

static void control_refused_cr0(uint64_t cr0)
{
	if (check_skip_qemu("cr0-refused", "QEMU takes everything"))
		return;
	control_check_cr0("nw-alone", cr0 | CR0_NW, 0);
	control_check_cr0("bit-32", cr0 | 1ul << 32, 0);
	control_check_cr0("bit-63", cr0 | 1ul << 63, 0);
	control_check_cr0("no-pg-in-64-bit-code", cr0 & ~CR0_PG, 0);
	if (main_on_bochs() && cpu_is_amd())
		check_skip("cr0-no-pe", "Bochs's own end");
	else
		control_check_cr0("no-pe", cr0 & ~CR0_PE, 0);
}

static void control_each_cr0(void)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} rows[] = { { "mp", 2 },      { "em", 4 },
		     { "ts", CR0_TS }, { "ne", 0x20 },
		     { "wp", CR0_WP }, { "am", 1ul << 18 },
		     { "cd", CR0_CD }, { "cd-nw", CR0_CD | CR0_NW } };
	uint64_t cr0 = cr0_read();
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		control_check_cr0(rows[i].name, cr0 ^ rows[i].bits, cr0 ^ rows[i].bits);
	control_check_cr0("et-stays", cr0 & ~0x10ul, cr0 | 0x10);
	control_refused_cr0(cr0);
}

static void control_each_cr4(void)
{
	uint64_t cr4 = cr4_read();
	unsigned int i;

	for (i = 0; i < sizeof(control_cr4_bits) / sizeof(control_cr4_bits[0]); i++) {
		const struct control_feature *f = &control_cr4_bits[i];
		uint64_t value = cr4 ^ 1ul << f->bit;

		control_check_cr4(f->name, value, control_offered(f) ? value : 0);
	}
	control_check_cr4("pce", cr4 | 0x100, cr4 | 0x100);
	control_check_cr4("no-pae-in-long-mode", cr4 & ~0x20ul, 0);
	control_check_cr4("la57-in-long-mode", cr4 | 1ul << 12, 0);
	control_check_cr4("bit-15", cr4 | 1ul << 15, 0);
	control_check_cr4("bit-31", cr4 | 1ul << 31, 0);
	control_check_cr4("bit-32", cr4 | 1ul << 32, 0);
	control_check_cr4("bit-63", cr4 | 1ul << 63, 0);
}

static void control_check_by(const char *name, const struct control_by *by, uint64_t original,
			     uint64_t value)
{
	unsigned int i;

	check_begin("%s-by-each-register", name);
	for (i = 0; i < CONTROL_REGISTERS; i++) {
		char what[8];

		sniprintf(what, sizeof(what), "reg %u", i);
		control_value = value;
		control_original = original;
		code_run_plain((struct code){ by[i].start, by[i].point, 1 });
		check_count(0);
		check_equal(what, value, control_result);
	}
	check_end();
}

static void control_small(void)
{
	uint64_t cr0 = cr0_read(), memory = ~0ul;
	struct regs r = { .rbx = cr0 | CR0_TS, .rcx = cr0 };

	check_begin("clts");
	code_run(CODE(control_clts), &r);
	check_equal("CR0", cr0 & ~CR0_TS, r.r8);
	check_count(0);
	check_end();

	check_begin("lmsw-smsw");
	r = (struct regs){ .rax = 0xfff8, .rcx = cr0, .rdi = (uintptr_t)&memory };
	code_run(CODE(control_lmsw), &r);
	check_equal("CR0", (cr0 & ~6ul) | CR0_TS, r.r8);
	check_equal("SMSW, 64 bits", (cr0 & ~6ul) | CR0_TS, r.r9);
	check_equal("SMSW, 16 bits", ~0xfffful | ((cr0 & 0xfff9) | CR0_TS), r.r10);
	check_equal("SMSW to memory", ~0xfffful | ((cr0 & 0xfff9) | CR0_TS), memory);
	check_count(0);
	check_end();
}

/* With WP clear the supervisor writes to pages that may only be read. */
static void control_write_protect(void)
{
	struct regs r = { .rax = 0x1234, .rcx = cr0_read(), .rdi = (uintptr_t)pages[2] };

	check_begin("cr0-wp-in-force");
	page_set(2, PTE_READ);
	r.rbx = r.rcx & ~CR0_WP;
	code_run(CODE(control_store), &r);
	check_count(0);
	check_equal("memory", 0x1234, *(volatile uint32_t *)pages[2]);
	r.rbx = r.rcx;
	code_run(CODE(control_store), &r);
	check_equal("vector", VEC_PF, events[0].vector);
	check_equal("error code", PF_WRITE | PF_PRESENT, events[0].error);
	check_count(1);
	page_set(2, PTE_DEFAULT);
	check_end();
}

/* Whether the processor refuses it, by #GP(0). */
static bool control_wrmsr_faults(uint32_t msr, uint64_t value)
{
	struct regs r = { .rax = (uint32_t)value, .rcx = msr, .rdx = value >> 32 };

	code_run(CODE(control_wrmsr), &r);
	return event_count == 1 && events[0].vector == VEC_GP && !events[0].error &&
	       events[0].rip == CODE(control_wrmsr).point[0];
}

static void control_check_msr_bad(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t before = rdmsr(msr);

	check_begin("%s-refused-%lx", name, value);
	check_true("#GP", control_wrmsr_faults(msr, value));
	check_equal("the value that stays", before, rdmsr(msr));
	check_end();
}

static void control_check_msr_good(const char *name, uint32_t msr, uint64_t value)
{
	uint64_t before = rdmsr(msr);

	check_begin("%s-taken-%lx", name, value);
	check_equal("#GP", 0, control_wrmsr_faults(msr, value));
	check_count(0);
	check_equal("the value read back", value, rdmsr(msr));
	wrmsr(msr, before);
	check_end();
}

/* The page in RDI is executed, and then read, with EFER.NXE set and clear. */
static void control_no_execute(void)
{
	struct regs r = { .rdi = (uintptr_t)pages[3] };
	uint64_t efer = rdmsr(MSR_EFER);

	if (!(cpuid(0x80000001, 0).edx & 1u << 20)) {
		check_skip("efer-nxe", "not offered");
		return;
	}
	check_begin("efer-nxe");
	wrmsr(MSR_EFER, efer | EFER_NXE);
	page_set(3, PTE_DEFAULT | PTE_NX);
	code_run(CODE(control_jump), &r);
	check_event(0, VEC_PF, (uintptr_t)pages[3]);
	check_equal("error code of a fetch", PF_FETCH | PF_PRESENT, events[0].error);
	check_count(1);
	code_run(CODE(control_load), &r);
	check_count(0);
	wrmsr(MSR_EFER, efer & ~EFER_NXE);
	page_set(3, PTE_DEFAULT | PTE_NX);
	code_run(CODE(control_load), &r);
	check_event(0, VEC_PF, CODE(control_load).point[0]);
	/* QEMU forgets that the page is present. */
	check_equal("error code of a reserved bit", PF_RESERVED | PF_PRESENT,
		    events[0].error | (cpu_is_qemu() ? PF_PRESENT : 0));
	check_count(1);
	page_set(3, PTE_DEFAULT);
	wrmsr(MSR_EFER, efer);
	check_end();
}

static void control_efer(void)
{
	uint64_t efer = rdmsr(MSR_EFER);

	control_check_msr_good("efer", MSR_EFER, efer ^ EFER_SCE);
	control_check_msr_bad("efer", MSR_EFER, efer | 2);
	control_check_msr_bad("efer", MSR_EFER, efer & ~EFER_LME);
	control_check_msr_bad("efer", MSR_EFER, efer | EFER_SVME);
	control_check_msr_bad("efer", MSR_EFER, efer | 1ul << 20);
	control_check_msr_bad("efer", MSR_EFER, efer | 1ul << 63);
	control_no_execute();
}

static void control_pat(void)
{
	check_begin("pat-reset-value");
	check_equal("PAT", PAT_RESET, rdmsr(MSR_PAT));
	check_end();
	control_check_msr_good("pat", MSR_PAT, PAT_OTHER);
	control_check_msr_bad("pat", MSR_PAT, 2);
	control_check_msr_bad("pat", MSR_PAT, 3ul << 56);
	control_check_msr_bad("pat", MSR_PAT, 8ul << 24);
	control_check_msr_bad("pat", MSR_PAT, 0xff00);
}

/* An MSR that does not exist: the registers stay. */
static void control_unknown(void)
{
	struct regs r = { .rax = 1, .rcx = MSR_BAD, .rdx = 2 };

	check_begin("msr-unknown");
	check_true("#GP of WRMSR", control_wrmsr_faults(MSR_BAD, 0));
	code_run(CODE(control_rdmsr), &r);
	check_event(0, VEC_GP, CODE(control_rdmsr).point[0]);
	check_equal("RAX", 1, r.rax);
	check_equal("RDX", 2, r.rdx);
	check_end();
}

void conform_control(void)
{
	control_each_cr0();
	control_each_cr4();
	control_check_by("cr0", control_cr0_by, cr0_read(), cr0_read() | CR0_CD);
	control_check_by("cr3", control_cr3_by, cr3_read(), cr3_read() | 0x18);
	control_check_by("cr4", control_cr4_by, cr4_read(), cr4_read() ^ 0x80);
	control_check_by("cr8", control_cr8_by, 0, 11);
	control_small();
	control_write_protect();
	control_efer();
	control_pat();
	control_unknown();
}
