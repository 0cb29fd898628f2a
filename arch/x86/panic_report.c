#include "arch/x86/panic_report.h"

#include <stdarg.h>

#include "arch/x86/apic.h"
#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "core/atomic.h"
#include "core/backtrace.h"
#include "core/log.h"
#include "core/panic.h"
#include "core/percpu.h"
#include "core/symbols.h"
#include "mm/host_map.h"

extern char boot_stack_bottom[], boot_stack_top[];

static u32 panicking;
static void (*exit_reporter)(void);

static const char *const exception_names[] = {
	"divide error",
	"debug",
	"NMI",
	"breakpoint",
	"overflow",
	"bound range",
	"invalid opcode",
	"no FPU",
	"double fault",
	"FPU segment",
	"invalid TSS",
	"segment absent",
	"stack fault",
	"general protection",
	"page fault",
	"reserved",
	"FPU error",
	"alignment check",
	"machine check",
	"SIMD error",
	"virtualization",
	"control protection",
};

bool panic_in_progress(void)
{
	return READ_ONCE(panicking) != 0;
}

void panic_set_exit_reporter(void (*fn)(void))
{
	exit_reporter = fn;
}

/* The first CPU here reports, later ones stop; a panic inside the panic stops as well. */
static void begin(void)
{
	if (atomic_xchg(&panicking, 1))
		cpu_halt_forever();
	log_break_lock();
	apic_nmi_others();
}

static void __noreturn end(void)
{
	if (exit_reporter)
		exit_reporter();
	log_error("panic: end; the machine is stopped");
	cpu_halt_forever();
}

/* The stack that rsp is on, as far as it can be told: at most one stack's size from it upwards. */
static void trace(u64 rip, u64 rbp, u64 rsp)
{
	u64 high = ALIGN_UP(rsp + 1, PAGE_SIZE);

	while (high - rsp < KSTACK_SIZE && !kstack_is_guard(high))
		high += PAGE_SIZE;
	backtrace_log(rip, rbp, rsp, high);
}

static u32 cpu_number(void)
{
	return percpu_ready() ? this_cpu()->id : 0;
}

void panic(const char *fmt, ...)
{
	va_list ap;

	begin();
	log_error("panic: on CPU %u, CR3 0x%lx", cpu_number(), read_cr3());
	va_start(ap, fmt);
	log_vline(LOG_ERROR, fmt, ap);
	va_end(ap);
	trace((u64)__builtin_return_address(0), *(u64 *)__builtin_frame_address(0),
	      (u64)__builtin_frame_address(0));
	end();
}

static void print_registers(const struct trap_frame *f)
{
	log_error("  rip %016lx cs %04lx rflags %08lx rsp %016lx ss %04lx", f->rip, f->cs,
		  f->rflags, f->rsp, f->ss);
	log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", f->rax, f->rbx, f->rcx, f->rdx);
	log_error("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx", f->rsi, f->rdi, f->rbp, f->r8);
	log_error("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx", f->r9, f->r10, f->r11, f->r12);
	log_error("  r13 %016lx r14 %016lx r15 %016lx cr0 %08lx", f->r13, f->r14, f->r15,
		  read_cr0());
	log_error("  cr2 %016lx cr3 %016lx cr4 %08lx", read_cr2(), read_cr3(), read_cr4());
}

void panic_exception(const struct trap_frame *f)
{
	const char *name =
		f->vector < ARRAY_SIZE(exception_names) ? exception_names[f->vector] : "reserved";
	u64 offset = 0;
	const char *symbol = symbol_find(f->rip, &offset);

	begin();
	log_error("panic: %s (vector %lu, error 0x%lx) on CPU %u at %s+0x%lx", name, f->vector,
		  f->error, cpu_number(), symbol ? symbol : "?", offset);
	if (f->vector == VEC_DF || kstack_is_guard(read_cr2()))
		log_error("  stack overflow: 0x%lx is in a guard page", read_cr2());
	print_registers(f);
	trace(f->rip, f->rbp, f->rsp);
	end();
}
