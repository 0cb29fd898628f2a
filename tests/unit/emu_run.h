/* Runs single instructions in the small world; include after cmocka.h. */
#ifndef NEAP_TESTS_EMU_RUN_H
#define NEAP_TESTS_EMU_RUN_H

#include "emu_world.h"

#define BASE 0x10000ull
#define RIP  0x400000ull

static struct world w;

#define RUN(...) run((const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static inline enum emu_result run(const u8 *bytes, unsigned count)
{
	world_code(&w, bytes, count);
	w.ctx.rip = RIP;
	w.reads = w.writes = w.translations = w.cas = w.segments = 0;
	return emu_run(&w.ctx);
}

static inline int set_up(void **state __unused)
{
	world_init(&w, BASE);
	for (unsigned i = 0; i < REG_COUNT; i++)
		w.regs.r[i] = 0x1111111111111111ull * i;
	return 0;
}

static inline u64 mem64(u64 addr)
{
	u64 v;

	memcpy(&v, w.mem + (addr - BASE), 8);
	return v;
}

static inline void set_mem64(u64 addr, u64 v)
{
	memcpy(w.mem + (addr - BASE), &v, 8);
}

static inline void expect_fault(enum emu_result ret, u8 vector)
{
	assert_int_equal(ret, EMU_FAULT);
	assert_int_equal(w.ctx.fault.vector, vector);
	assert_int_equal(w.ctx.fault.has_error, vector != GUEST_UD);
	assert_int_equal(w.ctx.rip, RIP);
	if (vector != GUEST_PF)
		assert_int_equal(w.ctx.fault.error_code, 0);
}

#endif
