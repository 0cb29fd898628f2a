#include "hv/mmio.h"

#include <errno.h>
#include <string.h>

#include "arch/x86/cpu.h"
#include "core/format.h"
#include "core/log.h"
#include "hv/backend.h"
#include "hv/emulate/emulate.h"
#include "hv/mmio_device.h"
#include "hv/mmu/dirty_log.h"
#include "mm/phys.h"

struct mmio_ctx {
	struct emu_ctx emu; /* first: the emulator hands this back */
	struct vcpu *vcpu;
	struct guest_state state;
	struct gva_mode mode;
	struct fetch_cache *record; /* the walk under way is to be recorded there */
};

static struct mmio_ctx *ctx_of(struct emu_ctx *emu)
{
	return container_of(emu, struct mmio_ctx, emu);
}

/* --- RAM --- */

/*
 * Where gpa is, good until the guest is entered again. -ENOENT: a device's, if anybody's; -EROFS: a
 * write to what is read-only; -EAGAIN: the slot is about to go or to move: the access is for later.
 */
static int find_ram(struct vcpu *v, gpa_t gpa, bool write, void **ram)
{
	gfn_t gfn = gpa_to_gfn(gpa);
	const struct slot *slot = slots_find(&v->vm->slots, &v->slot_cache, gfn);

	*ram = NULL;
	if (unlikely(!slot))
		return -ENOENT;
	if (unlikely(slot->flags & SLOT_INVALID)) {
		/* The worker that changes it may be waiting for this CPU. */
		vcpu_post(v, THREAD_RESCHED);
		return -EAGAIN;
	}
	if (write && (slot->flags & SLOT_READ_ONLY))
		return -EROFS;
	*ram = (char *)phys_to_virt(hfn_to_hpa(slot_frame(slot, gfn))) + (gpa.v & (PAGE_SIZE - 1));
	return 0;
}

/* What find_ram() found has been written; since then the guest was not entered. */
static void wrote_ram(struct vcpu *v, gpa_t gpa)
{
	dirty_log_mark_gfn(v->vm, &v->slot_cache, gpa_to_gfn(gpa));
}

/* --- the guest's page tables --- */

static int read_pte(void *p, gpa_t gpa, void *buf, size_t size)
{
	struct mmio_ctx *c = p;
	void *ram;
	int err = find_ram(c->vcpu, gpa, false, &ram);

	if (err)
		return err;
	if (size == 8) {
		*(u64 *)buf = READ_ONCE(*(const u64 *)ram);
		if (c->record)
			fetch_cache_record(c->record, ram, *(u64 *)buf);
	} else {
		*(u32 *)buf = READ_ONCE(*(const u32 *)ram);
	}
	return 0;
}

static int cas_pte(void *p, gpa_t gpa, u64 old, u64 new, size_t size)
{
	struct mmio_ctx *c = p;
	void *ram;
	int err = find_ram(c->vcpu, gpa, true, &ram);
	u32 old32 = (u32)old;
	bool done;

	if (err)
		return err;
	if (size == 8)
		done = atomic_cmpxchg((u64 *)ram, &old, new);
	else
		done = atomic_cmpxchg((u32 *)ram, &old32, (u32) new);
	if (done)
		wrote_ram(c->vcpu, gpa);
	return done ? 0 : -EAGAIN;
}

static const struct gva_ops walk_ops = { .read_pte = read_pte, .cas_pte = cas_pte };

static int translate(struct emu_ctx *emu, u64 linear, unsigned access, gpa_t *gpa)
{
	struct mmio_ctx *c = ctx_of(emu);
	struct gva_result r;
	int err = gva_translate(&c->mode, &walk_ops, c, linear, access, &r, &emu->fault);

	*gpa = r.gpa;
	return err;
}

/* --- memory and devices --- */

static void copy_ram(void *to, const void *from, unsigned size)
{
	switch (size) {
	case 1:
		*(u8 *)to = READ_ONCE(*(const u8 *)from);
		break;
	case 2:
		*(u16 *)to = READ_ONCE(*(const u16 *)from);
		break;
	case 4:
		*(u32 *)to = READ_ONCE(*(const u32 *)from);
		break;
	default:
		*(u64 *)to = READ_ONCE(*(const u64 *)from);
		break;
	}
}

static int mem_read(struct emu_ctx *emu, gpa_t gpa, void *buf, unsigned size)
{
	struct vcpu *v = ctx_of(emu)->vcpu;
	void *ram;
	u64 value;
	int err = find_ram(v, gpa, false, &ram);

	if (!err)
		copy_ram(buf, ram, size);
	if (err != -ENOENT)
		return err;
	value = mmio_device_read(v, gpa, size);
	memcpy(buf, &value, size);
	return 0;
}

static int mem_write(struct emu_ctx *emu, gpa_t gpa, const void *buf, unsigned size)
{
	struct vcpu *v = ctx_of(emu)->vcpu;
	u64 value = 0;
	void *ram;
	int err = find_ram(v, gpa, true, &ram);

	if (!err) {
		copy_ram(ram, buf, size);
		wrote_ram(v, gpa);
	}
	/* What is written to a ROM is lost. */
	if (err != -ENOENT)
		return err == -EROFS ? 0 : err;
	memcpy(&value, buf, size);
	mmio_device_write(v, gpa, size, value);
	return 0;
}

static int mem_cas(struct emu_ctx *emu, gpa_t gpa, const void *old, const void *new, unsigned size)
{
	struct vcpu *v = ctx_of(emu)->vcpu;
	u64 expected = 0, value = 0;
	void *ram;
	int err = find_ram(v, gpa, true, &ram);
	bool done;

	if (err || size > 8)
		return -EOPNOTSUPP;
	memcpy(&expected, old, size);
	memcpy(&value, new, size);
	if (size == 1)
		done = atomic_cmpxchg((u8 *)ram, (u8 *)&expected, (u8)value);
	else if (size == 2)
		done = atomic_cmpxchg((u16 *)ram, (u16 *)&expected, (u16)value);
	else if (size == 4)
		done = atomic_cmpxchg((u32 *)ram, (u32 *)&expected, (u32)value);
	else
		done = atomic_cmpxchg((u64 *)ram, &expected, value);
	if (done)
		wrote_ram(v, gpa);
	return done ? 0 : -EAGAIN;
}

static int pio_in(struct emu_ctx *emu, u16 port, unsigned size, u32 *value)
{
	*value = (u32)io_bus_read(&ctx_of(emu)->vcpu->vm->pio, port, size);
	return 0;
}

static int pio_out(struct emu_ctx *emu, u16 port, unsigned size, u32 value)
{
	io_bus_write(&ctx_of(emu)->vcpu->vm->pio, port, size, value);
	return 0;
}

/* --- registers --- */

static void get_segment(struct emu_ctx *emu, enum emu_seg seg, struct emu_segment *out)
{
	struct mmio_ctx *c = ctx_of(emu);
	struct guest_segment *s = &c->state.seg[seg];
	bool code;

	backend->get_segment(c->vcpu, seg, s);
	code = s->ar & BIT(3);

	*out = (struct emu_segment){ .base = s->base, .limit = s->limit, .selector = s->selector };
	if (s->ar & SEG_AR_UNUSABLE)
		return;
	out->flags = (s->ar & SEG_AR_DB) ? EMU_SEG_BIG : 0;
	/* The type field (SDM vol. 3 table 3-1): bit 1: data writable, code readable; bit 2:
	 * expand-down. */
	if (code) {
		out->flags |= (s->ar & BIT(1)) ? EMU_SEG_READABLE : 0;
		return;
	}
	out->flags |= EMU_SEG_READABLE | ((s->ar & BIT(1)) ? EMU_SEG_WRITABLE : 0);
	out->flags |= (s->ar & BIT(2)) ? EMU_SEG_DOWN : 0;
}

static void xmm_read(struct emu_ctx *emu, unsigned reg, u8 value[16])
{
	backend->xmm(ctx_of(emu)->vcpu, reg, value, false);
}

static void xmm_write(struct emu_ctx *emu, unsigned reg, const u8 value[16])
{
	u8 copy[16];

	memcpy(copy, value, sizeof(copy));
	backend->xmm(ctx_of(emu)->vcpu, reg, copy, true);
}

static const struct emu_ops ops = {
	.translate = translate,
	.read = mem_read,
	.write = mem_write,
	.cas = mem_cas,
	.pio_in = pio_in,
	.pio_out = pio_out,
	.get_segment = get_segment,
	.xmm_read = xmm_read,
	.xmm_write = xmm_write,
};

/* --- one instruction --- */

static enum emu_mode code_mode(const struct guest_state *s)
{
	u32 ar = s->seg[SEG_CS].ar;

	if ((s->efer & EFER_LMA) && (ar & SEG_AR_L))
		return EMU_MODE_64;
	return (ar & SEG_AR_DB) ? EMU_MODE_32 : EMU_MODE_16;
}

static void fill(struct mmio_ctx *c, const struct mmio_hint *hint)
{
	const struct guest_state *s = &c->state;
	struct emu_ctx *e = &c->emu;

	c->mode = (struct gva_mode){
		.cr0 = s->cr0,
		.cr3 = s->cr3,
		.cr4 = s->cr4,
		.efer = s->efer,
		.cpl = s->cpl,
		.ac = s->rflags & BIT(18),
		.no_1g = !cpu_features.gbpages,
		.maxphyaddr = cpu_features.phys_bits,
	};
	e->ops = &ops;
	e->cache = c->vcpu->emu_cache;
	e->regs = &c->vcpu->regs;
	e->regs->r[REG_RSP] = s->rsp;
	e->rip = s->rip;
	e->rflags = s->rflags;
	e->cr0 = s->cr0;
	e->mode = code_mode(s);
	e->va_bits = 48;
	e->align_check = s->cpl == 3 && (s->cr0 & CR0_AM) && (s->rflags & BIT(18));
	e->hint_valid = hint->valid;
	e->hint_write = hint->write;
	e->hint_gpa = hint->gpa;
	e->io_size = hint->io_size;
}

static u64 fetch_mode_of(const struct mmio_ctx *c)
{
	const struct gva_mode *m = &c->mode;
	bool cs_l = c->state.seg[SEG_CS].ar & SEG_AR_L;

	return fetch_mode(m->cr0, m->cr4, m->efer, cs_l ? FETCH_CS_L : 0, m->cpl);
}

/* Where an instruction's bytes at linear are; *ram NULL where no RAM is. 0, or -errno with the
 * fault. */
static int find_code(struct mmio_ctx *c, u64 linear, const u8 **ram)
{
	struct fetch_cache *cache = &c->vcpu->fetch_cache[fetch_cache_index(linear)];
	u64 offset = linear & (PAGE_SIZE - 1), mode = fetch_mode_of(c);
	u64 generation = slots_generation(&c->vcpu->vm->slots);
	const u8 *page = fetch_cache_find(cache, linear, c->mode.cr3, mode, generation);
	void *code;
	gpa_t gpa;
	int err;

	if (likely(page)) {
		*ram = page + offset;
		return 0;
	}
	fetch_cache_begin(cache, generation);
	c->record = cache;
	err = translate(&c->emu, linear, GVA_FETCH, &gpa);
	c->record = NULL;
	if (err)
		return err;
	err = find_ram(c->vcpu, gpa, false, &code);
	if (err == -EAGAIN)
		return err;
	*ram = code;
	fetch_cache_end(cache, linear, c->mode.cr3, mode, *ram ? *ram - offset : NULL);
	return 0;
}

/* Part of the instruction from one page; returns how many bytes, or what find_code() did. */
static int fetch_part(struct mmio_ctx *c, u64 linear, u8 *to, unsigned n)
{
	const u8 *ram;
	int err = find_code(c, linear, &ram);

	if (err)
		return err;
	n = MIN(n, (unsigned)(PAGE_SIZE - (linear & (PAGE_SIZE - 1))));
	if (ram)
		memcpy(to, ram, n);
	else
		memset(to, 0xff, n); /* executing from where nobody answers */
	return (int)n;
}

/* An instruction near the end of its page: its bytes may come from two. */
static int fetch_parts(struct mmio_ctx *c, u64 linear)
{
	struct emu_ctx *e = &c->emu;
	int n = fetch_part(c, linear, e->bytes, EMU_MAX_BYTES), more;

	if (n < 0)
		return n;
	e->count = (u8)n;
	if (n == EMU_MAX_BYTES)
		return 0;
	more = fetch_part(c, linear + e->count, e->bytes + n, EMU_MAX_BYTES - (unsigned)n);
	if (more == -EAGAIN)
		return more;
	e->fetch_faulted = more < 0;
	e->count = (u8)(n + MAX(more, 0));
	return 0;
}

/* An instruction that cannot reach the next page: its bytes come in two words. */
static int fetch_whole(struct mmio_ctx *c, u64 linear)
{
	const u8 *ram;
	int err = find_code(c, linear, &ram);

	if (err)
		return err;
	if (ram) {
		memcpy(c->emu.word, ram, sizeof(c->emu.word));
		c->emu.bytes[EMU_MAX_BYTES] = 0;
	} else {
		memset(c->emu.bytes, 0xff, EMU_MAX_BYTES);
	}
	c->emu.count = EMU_MAX_BYTES;
	return 0;
}

/*
 * The bytes that came with the exit. False when they are too few: the processor stops at the end
 * of what it could fetch at that moment.
 */
static bool take_given(struct emu_ctx *e, const struct mmio_hint *hint)
{
	struct emu_insn insn;

	e->count = MIN(hint->insn_count, EMU_MAX_BYTES);
	memcpy(e->bytes, hint->insn, e->count);
	return e->count == EMU_MAX_BYTES || emu_inspect(e, &insn) == EMU_DONE;
}

/*
 * 0 when at least the first byte could be had; -EFAULT: the fault is in emu.fault; -EAGAIN: the
 * guest keeps changing its page tables.
 */
static int fetch(struct mmio_ctx *c, const struct mmio_hint *hint)
{
	struct emu_ctx *e = &c->emu;
	u64 linear = e->rip + (e->mode == EMU_MODE_64 ? 0 : c->state.seg[SEG_CS].base);

	e->word[0] = e->word[1] = 0;
	e->fetch_faulted = false;
	if (hint->insn_count && take_given(e, hint))
		return 0;
	if (e->mode != EMU_MODE_64)
		linear = (u32)linear;
	if ((linear & (PAGE_SIZE - 1)) <= PAGE_SIZE - sizeof(e->word))
		return fetch_whole(c, linear);
	return fetch_parts(c, linear);
}

static void inject(struct vcpu *v, const struct guest_fault *f)
{
	if (f->vector == GUEST_PF)
		backend->set_cr2(v, f->cr2);
	backend->inject_exception(v, f->vector, f->has_error, f->error_code);
}

static void give_up(struct mmio_ctx *c, const struct mmio_hint *hint)
{
	const struct emu_ctx *e = &c->emu;
	char bytes[3 * EMU_MAX_BYTES + 1] = "";

	for (unsigned i = 0; i < e->count; i++)
		format_string(bytes + 3 * i, 4, " %02x", e->bytes[i]);
	vm_kill(c->vcpu, "cannot emulate the instruction%s at rip 0x%lx for address 0x%lx: %s",
		bytes, c->state.rip, hint->gpa.v, e->why ? e->why : "not supported");
}

/* Fills in the context. False: there is nothing to do but to enter the guest again. */
static force_inline bool begin(struct mmio_ctx *c, struct vcpu *v, const struct mmio_hint *hint)
{
	int err;

	c->vcpu = v;
	c->record = NULL;
	backend->get_mode(v, &c->state);
	fill(c, hint);
	err = fetch(c, hint);
	if (err == -EFAULT)
		inject(v, &c->emu.fault);
	return err == 0;
}

void mmio_emulate(struct vcpu *v, const struct mmio_hint *hint)
{
	struct mmio_ctx c;
	enum emu_result result;

	if (!begin(&c, v, hint))
		return;
	result = emu_run(&c.emu);
	if (result == EMU_UNHANDLED && c.state.cpl == 3) {
		/* A user program of the guest's must not be able to end the guest. */
		backend->inject_exception(v, GUEST_UD, false, 0);
		return;
	}
	if (result == EMU_UNHANDLED) {
		give_up(&c, hint);
		return;
	}
	backend->set_rip(v, c.emu.rip, c.emu.rflags, v->regs.r[REG_RSP],
			 result == EMU_DONE || result == EMU_PART);
	if (result == EMU_FAULT)
		inject(v, &c.emu.fault);
}

/* --- instructions that are only looked at --- */

static int inspect(struct mmio_ctx *c, struct vcpu *v, const struct mmio_hint *hint,
		   struct emu_insn *insn)
{
	if (!begin(c, v, hint))
		return -EFAULT;
	switch (emu_inspect(&c->emu, insn)) {
	case EMU_DONE:
		return 0;
	case EMU_FAULT:
		inject(v, &c->emu.fault);
		return -EFAULT;
	default:
		return -EINVAL;
	}
}

int mmio_instruction_length(struct vcpu *v, const u8 *bytes, u8 count)
{
	const struct mmio_hint hint = { .insn = bytes, .insn_count = bytes ? count : 0 };
	struct mmio_ctx c;
	struct emu_insn insn;
	int err = inspect(&c, v, &hint, &insn);

	return err ? err : insn.len;
}

static int cr_kind(const struct emu_insn *insn)
{
	switch (insn->op) {
	case EMU_OP_MOV_CR:
		return insn->dst.kind == EMU_KIND_CR ? MMIO_CR_MOV_TO : MMIO_CR_MOV_FROM;
	case EMU_OP_LMSW:
		return MMIO_CR_LMSW;
	case EMU_OP_SMSW:
		return MMIO_CR_SMSW;
	case EMU_OP_CLTS:
		return MMIO_CR_CLTS;
	default:
		return -EINVAL;
	}
}

static void describe_cr_access(const struct emu_insn *insn, u8 kind, struct mmio_cr_access *out)
{
	const struct emu_operand *general = kind == MMIO_CR_MOV_TO ? &insn->src : &insn->dst;
	const struct emu_operand *control = kind == MMIO_CR_MOV_TO ? &insn->dst : &insn->src;

	*out = (struct mmio_cr_access){ .kind = kind, .reg = general->reg, .length = insn->len };
	if (insn->op == EMU_OP_MOV_CR)
		out->cr = control->reg;
	out->memory = general->kind == EMU_KIND_MEM;
}

int mmio_decode_cr_access(struct vcpu *v, const u8 *bytes, u8 count, struct mmio_cr_access *out)
{
	const struct mmio_hint hint = { .insn = bytes, .insn_count = bytes ? count : 0 };
	struct mmio_ctx c;
	struct emu_insn insn;
	enum emu_result result;
	u64 value;
	int err = inspect(&c, v, &hint, &insn), kind;

	if (err)
		return err;
	kind = cr_kind(&insn);
	if (kind < 0)
		return kind;
	describe_cr_access(&insn, (u8)kind, out);
	if (kind != MMIO_CR_LMSW)
		return 0;
	result = emu_inspect_operand(&c.emu, &insn, &insn.dst, &value);
	if (result == EMU_FAULT)
		inject(v, &c.emu.fault);
	if (result != EMU_DONE)
		return result == EMU_UNHANDLED ? -EINVAL : -EFAULT;
	out->msw = (u16)value;
	return 0;
}
