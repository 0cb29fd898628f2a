/*
 * A vCPU in 64 KiB of memory, with page tables there and code at CODE; included by one file of a
 * program.
 */
#ifndef NEAP_TESTS_MMIO_WORLD_H
#define NEAP_TESTS_MMIO_WORLD_H

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "core/percpu.h"
#include "hv/backend.h"
#include "hv/emulate/emulate.h"
#include "hv/mmio.h"
#include "hv/vm.h"
#include "mm/phys.h"
#include "shim.h"

#define RAM_SIZE 0x10000u
#define PML4	 0x1000u
#define PDPT	 0x2000u
#define PD	 0x3000u
#define PT	 0x4000u
#define CODE	 0x8000u
#define NO_FAULT 0xff

struct cpu_features cpu_features = { .phys_bits = 36 };
static struct vm vm;
static struct vcpu vcpu;
static struct emu_cache cache;
static struct guest_state state;
static _Alignas(8) u8 ram[RAM_SIZE];
static u8 injected;
static u32 error_code;
static u64 cr2, new_rip;
static bool executed;
static unsigned finds, kills;
static bool restless; /* page tables change under every walk */

/* The only slot, whose frames are `ram`. */
static struct slot *slot;
static struct cpu cpu;

struct slot *slots_find(struct slots *s, struct slot_cache *c, gfn_t gfn)
{
	assert_ptr_equal(s, &vm.slots);
	assert_ptr_equal(c, &vcpu.slot_cache);
	finds++;
	if (restless)
		ram[PT + 8 * (CODE >> 12) + 7] ^= 0x10; /* a bit that means nothing */
	return slot && slot_holds(slot, gfn) ? slot : NULL;
}

void sched_post(struct thread *t, u32 bits)
{
	fail_msg("posted to another thread: %s, 0x%x", t->name, bits);
}

static inline void make_slot(u32 flags)
{
	static struct slot only;
	static union {
		struct slot_backing backing;
		char room[sizeof(struct slot_backing) + sizeof(struct slot_extent)];
	} b;

	shim_phys = (char *)ram;
	b.backing.extents = 1;
	b.backing.pages = RAM_SIZE / PAGE_SIZE;
	b.backing.extent[0].pages = b.backing.pages;
	only = (struct slot){ .pages = b.backing.pages, .backing = &b.backing, .flags = flags };
	slot = &only;
}

void vm_kill(struct vcpu *v, const char *fmt, ...)
{
	(void)v;
	(void)fmt;
	kills++;
}

static inline void get_mode(struct vcpu *v, struct guest_state *out)
{
	assert_ptr_equal(v, &vcpu);
	*out = state;
}

static inline void get_segment(struct vcpu *v, unsigned seg, struct guest_segment *out)
{
	(void)v;
	*out = state.seg[seg];
}

static inline void inject_exception(struct vcpu *v, u8 vector, bool has_error, u32 error)
{
	(void)v;
	injected = vector;
	error_code = has_error ? error : 0;
}

static inline void set_cr2(struct vcpu *v, u64 value)
{
	(void)v;
	cr2 = value;
}

static inline void set_rip(struct vcpu *v, u64 rip, u64 rflags, u64 rsp, bool done)
{
	(void)v;
	(void)rflags;
	executed = done;
	state.rsp = rsp;
	new_rip = rip;
}

static const struct backend_ops fake = { .get_mode = get_mode,
					 .get_segment = get_segment,
					 .inject_exception = inject_exception,
					 .set_cr2 = set_cr2,
					 .set_rip = set_rip };
const struct backend_ops *backend = &fake;

static inline void set_u64(u64 addr, u64 value)
{
	memcpy(ram + addr, &value, sizeof(value));
}

/* 64-bit code with RAM mapped one to one in 4 KiB pages, accessed and dirty. */
static inline void mode_64(void)
{
	state.cr0 = CR0_PG | CR0_PE | CR0_ET | CR0_NE;
	state.cr3 = PML4;
	state.cr4 = CR4_PAE;
	state.efer = EFER_LME | EFER_LMA;
	state.rip = CODE;
	state.seg[SEG_CS] = (struct guest_segment){ .ar = SEG_AR_TYPE_CODE | SEG_AR_L };
	set_u64(PML4, PDPT | 0x63);
	set_u64(PDPT, PD | 0x63);
	set_u64(PD, PT | 0x63);
	for (unsigned i = 0; i < RAM_SIZE / PAGE_SIZE; i++)
		set_u64(PT + 8 * i, i * PAGE_SIZE | 0x63);
}

static inline void mode_legacy(bool big)
{
	u32 ar = SEG_AR_TYPE_DATA | (big ? SEG_AR_DB : 0), limit = big ? 0xffffffff : 0xffff;

	state.cr0 = CR0_ET | (big ? CR0_PE : 0);
	state.cr4 = state.efer = 0;
	for (unsigned i = 0; i < SEG_COUNT; i++)
		state.seg[i] = (struct guest_segment){ .ar = ar, .limit = limit };
	state.seg[SEG_CS].ar |= SEG_AR_TYPE_CODE;
	state.seg[SEG_CS].base = big ? 0 : CODE - 0x100;
	state.rip = big ? CODE : 0x100;
}

static inline int set_up(void **unused)
{
	(void)unused;
	memset(&vcpu, 0, sizeof(vcpu));
	make_slot(0);
	cpu = (struct cpu){ .self = &cpu, .current = &vcpu.thread };
	shim_use_cpu(&cpu);
	memset(&cache, 0, sizeof(cache));
	memset(&state, 0, sizeof(state));
	memset(ram, 0x90, sizeof(ram));
	memset(ram, 0, CODE);
	vcpu.vm = &vm;
	vcpu.emu_cache = &cache;
	injected = NO_FAULT;
	error_code = finds = kills = 0;
	cr2 = new_rip = 0;
	restless = false;
	mode_64();
	return 0;
}

static inline void run(const char *bytes, unsigned count)
{
	memcpy(ram + CODE, bytes, count);
	state.rip = CODE;
	new_rip = 0;
	mmio_emulate(&vcpu, &(struct mmio_hint){ 0 });
	assert_int_equal(new_rip, CODE + count);
}
#define RUN(bytes) run(bytes, sizeof(bytes) - 1)

#define T(f) cmocka_unit_test_setup(f, set_up)

#endif
