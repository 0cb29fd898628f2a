/*
 * A small world for the emulator's tests: a stretch of RAM at a linear address equal to its
 * guest-physical one, registers, and counts of what was asked for.
 */
#ifndef NEAP_TESTS_EMU_WORLD_H
#define NEAP_TESTS_EMU_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hv/emulate/emulate.h"

#define WORLD_SIZE (4 * PAGE_SIZE)

struct world {
	struct emu_ctx ctx; /* first: the ops cast back */
	struct guest_regs regs;
	struct emu_cache cache;
	struct emu_segment seg[EMU_SEG_COUNT];
	u8 xmm[16][16];
	u64 base;	       /* of mem */
	u64 fault_page;	       /* linear page that faults, 0: none */
	unsigned fault_access; /* 0: any access; GVA_WRITE: writes only */
	bool device;	       /* all memory is a device's: no compare-exchange */
	unsigned contended;    /* compare-exchanges still to fail */
	unsigned reads, writes, translations, cas, segments;
	u64 last_access; /* GVA_ flags of the last translation */
	u16 port;
	u32 port_value;
	unsigned ins, outs, bad; /* bad: accesses no bus would take */
	u8 mem[WORLD_SIZE];
};

static inline struct world *world_of(struct emu_ctx *ctx)
{
	return (struct world *)ctx;
}

static inline bool world_inside(const struct world *w, u64 addr, unsigned size)
{
	return addr >= w->base && addr - w->base <= WORLD_SIZE - size;
}

static inline int world_translate(struct emu_ctx *ctx, u64 linear, unsigned access, gpa_t *gpa)
{
	struct world *w = world_of(ctx);
	u64 page = ALIGN_DOWN(linear, PAGE_SIZE);

	w->translations++;
	w->last_access = access;
	if (!world_inside(w, linear, 1) || (w->fault_page && page == w->fault_page &&
					    (!w->fault_access || (access & w->fault_access)))) {
		ctx->fault = (struct guest_fault){ GUEST_PF, true,
						   access & GVA_WRITE ? PF_WRITE : 0, linear };
		return -EFAULT;
	}
	*gpa = GPA(linear);
	return 0;
}

static inline void world_check(struct world *w, gpa_t gpa, unsigned size)
{
	bool one_page = (gpa.v & (PAGE_SIZE - 1)) + size <= PAGE_SIZE;

	if (!one_page || (size != 1 && size != 2 && size != 4 && size != 8))
		w->bad++;
}

static inline int world_read(struct emu_ctx *ctx, gpa_t gpa, void *buf, unsigned size)
{
	struct world *w = world_of(ctx);

	w->reads++;
	world_check(w, gpa, size);
	if (!world_inside(w, gpa.v, size))
		return -ENXIO;
	memcpy(buf, w->mem + (gpa.v - w->base), size);
	return 0;
}

static inline int world_write(struct emu_ctx *ctx, gpa_t gpa, const void *buf, unsigned size)
{
	struct world *w = world_of(ctx);

	w->writes++;
	world_check(w, gpa, size);
	if (!world_inside(w, gpa.v, size))
		return -ENXIO;
	memcpy(w->mem + (gpa.v - w->base), buf, size);
	return 0;
}

static inline int world_cas(struct emu_ctx *ctx, gpa_t gpa, const void *old, const void *new,
			    unsigned size)
{
	struct world *w = world_of(ctx);
	u8 *p = w->mem + (gpa.v - w->base);

	w->cas++;
	if (w->device)
		return -EOPNOTSUPP;
	if (!world_inside(w, gpa.v, size) || size > 16 ||
	    (gpa.v & (PAGE_SIZE - 1)) + size > PAGE_SIZE)
		w->bad++;
	if (w->contended) {
		w->contended--;
		p[0]++; /* somebody else was faster */
		return -EAGAIN;
	}
	if (memcmp(p, old, size) != 0)
		return -EAGAIN;
	memcpy(p, new, size);
	return 0;
}

static inline int world_pio_in(struct emu_ctx *ctx, u16 port, unsigned size, u32 *value)
{
	struct world *w = world_of(ctx);

	w->ins++;
	w->port = port;
	*value = size == 4 ? w->port_value : w->port_value & ((1u << 8 * size) - 1);
	w->port_value += 0x01010101;
	return 0;
}

static inline int world_pio_out(struct emu_ctx *ctx, u16 port, unsigned size, u32 value)
{
	struct world *w = world_of(ctx);

	w->outs++;
	w->port = port;
	w->port_value = w->port_value << (size == 4 ? 0 : 8 * size);
	w->port_value = size == 4 ? value : w->port_value | value;
	return 0;
}

static inline void world_get_segment(struct emu_ctx *ctx, enum emu_seg seg, struct emu_segment *out)
{
	world_of(ctx)->segments++;
	*out = world_of(ctx)->seg[seg];
}

static inline void world_xmm_read(struct emu_ctx *ctx, unsigned reg, u8 value[16])
{
	memcpy(value, world_of(ctx)->xmm[reg], 16);
}

static inline void world_xmm_write(struct emu_ctx *ctx, unsigned reg, const u8 value[16])
{
	memcpy(world_of(ctx)->xmm[reg], value, 16);
}

static const struct emu_ops world_ops = {
	.translate = world_translate,
	.read = world_read,
	.write = world_write,
	.cas = world_cas,
	.pio_in = world_pio_in,
	.pio_out = world_pio_out,
	.get_segment = world_get_segment,
	.xmm_read = world_xmm_read,
	.xmm_write = world_xmm_write,
};

/* Flat segments, 64-bit code, memory all zero at `base`. */
static inline void world_init(struct world *w, u64 base)
{
	memset(w, 0, sizeof(*w));
	w->base = base;
	w->ctx.ops = &world_ops;
	w->ctx.regs = &w->regs;
	w->ctx.cache = &w->cache;
	w->ctx.mode = EMU_MODE_64;
	w->ctx.va_bits = 48;
	w->ctx.rflags = 2;
	for (unsigned i = 0; i < EMU_SEG_COUNT; i++)
		w->seg[i] =
			(struct emu_segment){ 0, 0xffffffff, 8,
					      EMU_SEG_READABLE | EMU_SEG_WRITABLE | EMU_SEG_BIG };
}

static inline void world_code(struct world *w, const void *bytes, unsigned count)
{
	memset(w->ctx.bytes, 0, sizeof(w->ctx.bytes));
	if (count)
		memcpy(w->ctx.bytes, bytes, count);
	w->ctx.count = (u8)count;
}

#endif
