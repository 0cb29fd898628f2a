/* Memory of the emulator: segments, linear addresses, translation, and access in bus-sized parts.
 */
#include "hv/emulate/emu_internal.h"

#include <errno.h>

enum emu_result emu_fault(struct emu_ctx *ctx, enum guest_vector vector)
{
	ctx->fault = (struct guest_fault){ .vector = vector, .has_error = vector != GUEST_UD };
	return EMU_FAULT;
}

const struct emu_segment *emu_segment(struct emu_ctx *ctx, enum emu_seg seg)
{
	if (!(ctx->seg_valid & BIT(seg))) {
		ctx->ops->get_segment(ctx, seg, &ctx->seg[seg]);
		ctx->seg_valid |= BIT(seg);
	}
	return &ctx->seg[seg];
}

/* SDM vol. 3 5.3 and 5.5: limit and type; ea has at most 32 bits here. */
static bool segment_allows(const struct emu_segment *s, u64 ea, unsigned size, unsigned access)
{
	u64 last = ea + size - 1;

	if (!(s->flags & (access & GVA_WRITE ? EMU_SEG_WRITABLE : EMU_SEG_READABLE)))
		return false;
	if (s->flags & EMU_SEG_DOWN)
		return ea > s->limit && last <= (s->flags & EMU_SEG_BIG ? 0xffffffff : 0xffff);
	return last <= s->limit;
}

static enum emu_result linear_address(struct emu_ctx *ctx, enum emu_seg seg, u64 ea, unsigned size,
				      unsigned access, u64 *linear)
{
	const struct emu_segment *s;

	if (ctx->mode == EMU_MODE_64) {
		*linear = ea;
		if (seg >= EMU_SEG_FS)
			*linear += emu_segment(ctx, seg)->base;
		return EMU_DONE;
	}
	s = emu_segment(ctx, seg);
	if (!segment_allows(s, ea, size, access))
		return emu_fault(ctx, seg == EMU_SEG_SS ? GUEST_SS : GUEST_GP);
	*linear = (u32)(s->base + ea);
	return EMU_DONE;
}

static enum emu_result translate_page(struct emu_ctx *ctx, u64 linear, unsigned access, gpa_t *gpa)
{
	bool write = access & GVA_WRITE;
	u64 offset = linear & (PAGE_SIZE - 1), page = linear - offset;
	int ret;

	if (ctx->tlb[write].page == (page | 1)) {
		*gpa = GPA(ctx->tlb[write].gpa.v + offset);
		return EMU_DONE;
	}
	ret = ctx->ops->translate(ctx, linear, access, gpa);
	if (ret == -EFAULT)
		return EMU_FAULT;
	if (ret == -EAGAIN)
		return EMU_AGAIN;
	if (ret != 0)
		return emu_unhandled(ctx, "the address cannot be translated");
	gpa->v = ALIGN_DOWN(gpa->v, PAGE_SIZE) + offset;
	ctx->tlb[write].page = page | 1;
	ctx->tlb[write].gpa = GPA(gpa->v - offset);
	return EMU_DONE;
}

static bool hint_matches(const struct emu_ctx *ctx, u64 linear, unsigned access)
{
	return ctx->use_hint && ((ctx->hint_gpa.v ^ linear) & (PAGE_SIZE - 1)) == 0 &&
	       (ctx->hint_write || !(access & GVA_WRITE));
}

enum emu_result emu_mem_open(struct emu_ctx *ctx, enum emu_seg seg, u64 ea, unsigned size,
			     unsigned access, struct emu_mem *mem)
{
	enum emu_result ret;
	u64 linear;

	ret = linear_address(ctx, seg, ea, size, access, &linear);
	if (ret != EMU_DONE)
		return ret;
	if ((access & EMU_ALIGN_16) && (linear & 15))
		return emu_fault(ctx, GUEST_GP);
	if (unlikely(ctx->align_check) && size <= 8 && (linear & (size - 1)))
		return emu_fault(ctx, GUEST_AC);
	access = (access & GVA_WRITE) | (seg == EMU_SEG_SS ? GVA_STACK : 0);
	mem->size = size;
	mem->first = MIN(size, PAGE_SIZE - (linear & (PAGE_SIZE - 1)));
	if (mem->first == size && hint_matches(ctx, linear, access)) {
		mem->gpa[0] = ctx->hint_gpa;
		return EMU_DONE;
	}
	ret = translate_page(ctx, linear, access, &mem->gpa[0]);
	if (ret != EMU_DONE || mem->first == size)
		return ret;
	linear += mem->first;
	if (ctx->mode != EMU_MODE_64)
		linear = (u32)linear;
	return translate_page(ctx, linear, access, &mem->gpa[1]);
}

/* The longest part at `done` that stays in its page and that a bus knows: 1, 2, 4 or 8 bytes. */
static unsigned next_part(const struct emu_mem *mem, unsigned done, gpa_t *gpa)
{
	unsigned left, part = 8;

	if (done < mem->first) {
		*gpa = GPA(mem->gpa[0].v + done);
		left = mem->first - done;
	} else {
		*gpa = GPA(mem->gpa[1].v + (done - mem->first));
		left = mem->size - done;
	}
	while (part > left)
		part /= 2;
	return part;
}

static enum emu_result access_result(struct emu_ctx *ctx, int ret)
{
	if (ret == 0)
		return EMU_DONE;
	return ret == -EAGAIN ? EMU_AGAIN : emu_unhandled(ctx, "memory cannot be accessed");
}

enum emu_result emu_mem_read(struct emu_ctx *ctx, const struct emu_mem *mem, void *buf)
{
	enum emu_result ret = EMU_DONE;
	unsigned done, part;
	gpa_t gpa;

	for (done = 0; done < mem->size && ret == EMU_DONE; done += part) {
		part = next_part(mem, done, &gpa);
		ret = access_result(ctx, ctx->ops->read(ctx, gpa, (u8 *)buf + done, part));
	}
	return ret;
}

enum emu_result emu_mem_write(struct emu_ctx *ctx, const struct emu_mem *mem, const void *buf)
{
	enum emu_result ret = EMU_DONE;
	unsigned done, part;
	gpa_t gpa;

	for (done = 0; done < mem->size && ret == EMU_DONE; done += part) {
		part = next_part(mem, done, &gpa);
		ret = access_result(ctx, ctx->ops->write(ctx, gpa, (const u8 *)buf + done, part));
	}
	return ret;
}

/* A locked access across two pages is split, and so not atomic: no device and no sane lock does it.
 */
enum emu_result emu_mem_cas(struct emu_ctx *ctx, const struct emu_mem *mem, const void *old,
			    const void *new, bool *retry)
{
	int ret = -EOPNOTSUPP;

	*retry = false;
	if (ctx->ops->cas && mem->first == mem->size)
		ret = ctx->ops->cas(ctx, mem->gpa[0], old, new, mem->size);
	if (ret == -EOPNOTSUPP)
		return emu_mem_write(ctx, mem, new);
	if (ret == -EAGAIN) {
		*retry = true;
		return EMU_DONE;
	}
	return access_result(ctx, ret);
}
