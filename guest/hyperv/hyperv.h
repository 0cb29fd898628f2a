/* What the parts of hyperv.elf share. */
#ifndef GUEST_HYPERV_H
#define GUEST_HYPERV_H

#include <stdbool.h>
#include <stdint.h>
#include "smp.h"

/* Synthetic MSRs (TLFS). */
#define HV_GUEST_OS_ID	 0x40000000u
#define HV_HYPERCALL	 0x40000001u
#define HV_VP_INDEX	 0x40000002u
#define HV_RESET	 0x40000003u
#define HV_VP_RUNTIME	 0x40000010u
#define HV_TIME_COUNT	 0x40000020u
#define HV_REFERENCE_TSC 0x40000021u
#define HV_TSC_HZ	 0x40000022u
#define HV_APIC_HZ	 0x40000023u
#define HV_EOI		 0x40000070u
#define HV_ICR		 0x40000071u
#define HV_TPR		 0x40000072u
#define HV_VP_ASSIST	 0x40000073u
#define HV_CRASH_P0	 0x40000100u
#define HV_CRASH_CTL	 0x40000105u
#define HV_TSC_INVARIANT 0x40000118u
#define HV_ENABLED	 1ul

/* Calls, and the fields of the input value. */
#define HV_FLUSH_SPACE	  0x02ul
#define HV_FLUSH_LIST	  0x03ul
#define HV_SEND_IPI	  0x0bul
#define HV_FLUSH_SPACE_EX 0x13ul
#define HV_FLUSH_LIST_EX  0x14ul
#define HV_SEND_IPI_EX	  0x15ul
#define HV_FAST		  (1ul << 16)
#define HV_VAR(n)	  ((uint64_t)(n) << 17)
#define HV_COUNT(n)	  ((uint64_t)(n) << 32)
#define HV_START(n)	  ((uint64_t)(n) << 48)
#define HV_ALL_PROCESSORS 1ul
#define HV_ALL_SPACES	  2ul

#define HV_VECTOR 0x60

#define WORKERS_MAX 16 /* processors that take part, but in the bench */

/* One for each processor. */
struct worker {
	uint32_t vp_index; /* as its MSR says */
	volatile uint32_t online, watch, storm;
	volatile uint32_t interrupts;
	volatile uint64_t epoch;  /* what its page holds at least */
	volatile uint64_t seen;	  /* the last epoch it has looked at */
	volatile uint64_t stale;  /* what it read smaller, 0: nothing */
	volatile uint64_t storms; /* calls it has made */
	char pad[64];
};

extern struct worker workers[SMP_MAX_CPUS];
extern unsigned int checks_failed;
extern uint64_t *hv_input; /* a page: of calls by memory, of the first processor */

/* Prints what is not as it should be. */
void check(const char *what, uint64_t wanted, uint64_t got);

/* Through the hypercall page, which is enabled. */
uint64_t hv_call(uint64_t input, uint64_t in, uint64_t out);

/* By the processor's own instruction; false: #UD. */
bool hv_call_raw(uint64_t input, uint64_t *result);

/* Names the OS and enables the page. */
void hv_enable(void);

void check_interface(void); /* check_msr.c: CPUID, MSRs, the page, time */
void check_status(void);    /* check_call.c: what bad input is answered with */
void check_flush(bool leave_out);
void check_ipi(void);
void check_storm(void);
void bench(void);

/* The page that a processor watches. */
volatile uint64_t *watch_page(unsigned int index);

/* Calls on a processor of the list of kinds, each of which names one or all. */
#define FLUSH_KINDS 7
#define IPI_KINDS   4
extern const char *const flush_names[FLUSH_KINDS];
extern const char *const ipi_names[IPI_KINDS];
/* VP is the index of the one named; kinds at the end name all. Result as of hv_call(). */
uint64_t flush_call(unsigned int kind, uint64_t *input, uint32_t vp);
uint64_t ipi_call(unsigned int kind, uint64_t *input, uint32_t vp);
static inline bool flush_names_all(unsigned int kind)
{
	return kind >= 4;
}
static inline bool ipi_names_all(unsigned int kind)
{
	return kind >= 2;
}
#endif
