/*
 * The hypercalls that name virtual processors: TLB flushes and IPIs. The work is in the processors
 * named, each found by one look-up; indexes that nobody has are passed over.
 *
 * A flush of a list of pages flushes all of the guest's TLB, as the TLFS allows: the list is not
 * read, and a call with a thousand pages takes as long as one with one.
 */
#include "hv/guest_mem.h"
#include "hv/hyperv/hypercall.h"
#include "hv/vcpu_flush.h"
#include "hv/vm.h"

#define VECTOR_FIRST 0x10u
#define VECTOR_LAST  0xffu
#define FLUSH_FLAGS  (HV_FLUSH_ALL_PROCESSORS | HV_FLUSH_ALL_SPACES | HV_FLUSH_NON_GLOBAL)

/* Whom a call names. */
struct vp_set {
	bool all;
	u64 valid;	    /* banks that are named at all */
	u64 bank[HV_BANKS]; /* those, one behind the other */
};

/* A look-up of nobody's index finds nobody. */
_Static_assert(VP_POSITION_NONE >= VM_MAX_CPUS, "the table has nobody there");

/* Takes a processor; constant in each use, so that it is called directly. */
typedef void (*visit_fn)(struct vcpu *v, void *ctx);

static force_inline void visit_bank(const struct vm *vm, u32 first, u64 bits, visit_fn fn,
				    void *ctx)
{
	for (; bits; bits &= bits - 1) {
		u32 index = first + (u32)__builtin_ctzl(bits);
		struct vcpu *v = vcpu_table_get(
			&vm->vcpus, vp_index_find(&vm->hyperv.vp, (vp_index_t){ index }));

		if (likely(v))
			fn(v, ctx);
	}
}

static force_inline void visit_set(const struct vm *vm, const struct vp_set *set, visit_fn fn,
				   void *ctx)
{
	const u64 *bank = set->bank;
	struct vcpu *v;

	if (set->all) {
		vm_for_each_vcpu (v, &vm->vcpus, i)
			fn(v, ctx);
		return;
	}
	for (u64 banks = set->valid; banks; banks &= banks - 1)
		visit_bank(vm, HV_BANKS * (u32)__builtin_ctzl(banks), *bank++, fn, ctx);
}

static void mask_set(struct vp_set *set, u64 mask)
{
	set->all = false;
	set->valid = 1;
	set->bank[0] = mask;
}

/* The sparse set whose format and mask of banks are in the fixed header, the banks behind it. */
static u32 read_set(const struct hyperv_call *c, u64 format, u64 valid, struct vp_set *set)
{
	u32 banks = 0;

	set->all = format == HV_SET_ALL;
	set->valid = valid;
	if (set->all)
		return HV_SUCCESS;
	if (format != HV_SET_SPARSE)
		return HV_INVALID_PARAMETER;
	for (; valid; valid &= valid - 1)
		banks++;
	if (c->var != banks)
		return HV_INVALID_INPUT;
	if (banks && guest_mem_read(c->vcpu->vm, c->var_at, set->bank, banks * sizeof(u64)))
		return HV_INVALID_ALIGNMENT;
	return HV_SUCCESS;
}

/* --- flushes: address space (all of them are flushed), flags, and whom --- */

static void flush_one(struct vcpu *v, void *ctx)
{
	vcpu_flush_add(ctx, v);
}

static void flush_set(struct vcpu *self, const struct vp_set *set)
{
	struct vcpu_flush flush;

	vcpu_flush_begin(&flush, self);
	if (set->all || vp_index_covers(&self->vm->hyperv.vp, set->valid, set->bank))
		vcpu_flush_add_all(&flush);
	else
		visit_set(self->vm, set, flush_one, &flush);
	vcpu_flush_finish(&flush);
}

u32 hyperv_call_flush(struct hyperv_call *c)
{
	struct vp_set set;

	if (c->head[1] & ~FLUSH_FLAGS)
		return HV_INVALID_PARAMETER;
	mask_set(&set, c->head[2]);
	set.all = c->head[1] & HV_FLUSH_ALL_PROCESSORS;
	flush_set(c->vcpu, &set);
	return HV_SUCCESS;
}

u32 hyperv_call_flush_ex(struct hyperv_call *c)
{
	struct vp_set set;
	u32 status;

	if (c->head[1] & ~FLUSH_FLAGS)
		return HV_INVALID_PARAMETER;
	status = read_set(c, c->head[2], c->head[3], &set);
	if (status)
		return status;
	set.all |= c->head[1] & HV_FLUSH_ALL_PROCESSORS;
	flush_set(c->vcpu, &set);
	return HV_SUCCESS;
}

/* --- IPIs: vector and trust level (there is only 0) in one quadword, and whom --- */

static void ipi_one(struct vcpu *v, void *ctx)
{
	/* One whose APIC is off does not get it, as on the bus. */
	(void)lapic_deliver(&v->lapic, *(const u8 *)ctx, false);
}

static bool ipi_is_valid(u64 word)
{
	u32 vector = (u32)word;

	return vector >= VECTOR_FIRST && vector <= VECTOR_LAST && !(u8)(word >> 32);
}

static void ipi_set(struct hyperv_call *c, const struct vp_set *set)
{
	u8 vector = (u8)c->head[0];

	visit_set(c->vcpu->vm, set, ipi_one, &vector);
}

u32 hyperv_call_ipi(struct hyperv_call *c)
{
	struct vp_set set;

	if (!ipi_is_valid(c->head[0]))
		return HV_INVALID_PARAMETER;
	mask_set(&set, c->head[1]);
	ipi_set(c, &set);
	return HV_SUCCESS;
}

u32 hyperv_call_ipi_ex(struct hyperv_call *c)
{
	struct vp_set set;
	u32 status;

	if (!ipi_is_valid(c->head[0]))
		return HV_INVALID_PARAMETER;
	status = read_set(c, c->head[1], c->head[2], &set);
	if (status)
		return status;
	ipi_set(c, &set);
	return HV_SUCCESS;
}
