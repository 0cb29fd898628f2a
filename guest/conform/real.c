/* Real mode: exits from there, single steps, and a fault, which pushes no error code. */
#include <string.h>
#include "conform.h"

#define REAL_BASE  0x70000u /* as in real_code.S */
#define REAL_SIZE  4096u    /* the page that is used, with a stack at its end */
#define REAL_STEPS 3
#define REAL_TEXT  4 /* bytes put out */
#define REAL_FRAME 6 /* bytes: IP, CS, FLAGS */

extern const char real_start[], real_end[], real_results[], real_step_cpuid[], real_step_out[],
	real_step_end[], real_fault[], real_soft[], real_text[];
void real_run(void);

struct real_results {
	uint32_t vendor;
	uint16_t msw, si, steps, step_ip[4], fault_ip, sp, pushed, soft_ip;
};

static char real_saved[REAL_SIZE];

static uint64_t real_offset(const char *label)
{
	return (uintptr_t)label - (uintptr_t)real_start;
}

static void real_check(const struct real_results *r)
{
	check_begin("real-exits");
	check_equal("CPUID's vendor", cpuid(0, 0).ebx, r->vendor);
	check_equal("SMSW", cr0_read() & 0xfffe, r->msw);
	check_equal("SI behind REP OUTSB", real_offset(real_text) + REAL_TEXT, r->si);
	check_end();

	check_begin("real-step");
	check_equal("traps", REAL_STEPS, r->steps);
	check_equal("IP behind CPUID", real_offset(real_step_cpuid), r->step_ip[0]);
	check_equal("IP behind OUT", real_offset(real_step_out), r->step_ip[1]);
	check_equal("IP behind NOP", real_offset(real_step_end), r->step_ip[2]);
	check_end();

	check_begin("real-fault");
	check_equal("IP", real_offset(real_fault), r->fault_ip);
	check_equal("bytes pushed", REAL_FRAME, r->pushed);
	check_end();

	check_begin("real-int");
	check_equal("IP behind INT", real_offset(real_soft), r->soft_ip);
	check_end();
}

/* The low memory is the loader's perhaps: it gets back what was there. */
void conform_real(void)
{
	char *low = (char *)(uintptr_t)REAL_BASE;
	struct real_results results;

	memcpy(real_saved, low, REAL_SIZE);
	memcpy(low, real_start, real_offset(real_end));
	compat_load_gdt(REAL_BASE);
	real_run();
	memcpy(&results, low + real_offset(real_results), sizeof(results));
	memcpy(low, real_saved, REAL_SIZE);
	real_check(&results);
}
