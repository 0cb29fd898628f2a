#include "hv/hyperv/hypercall.h"

#include <errno.h>

#include "hv/fetch_cache.h"
#include "hv/guest_mem.h"
#include "hv/vm.h"

/* A call and what its input is made of. */
struct call_kind {
	u16 code;
	u8 head; /* quadwords of fixed header */
	bool rep, var;
	u32 (*fn)(struct hyperv_call *call);
};

static const struct call_kind kinds[] = {
	{ HV_CALL_FLUSH_SPACE, 3, false, false, hyperv_call_flush },
	{ HV_CALL_FLUSH_LIST, 3, true, false, hyperv_call_flush },
	{ HV_CALL_SEND_IPI, 2, false, false, hyperv_call_ipi },
	{ HV_CALL_FLUSH_SPACE_EX, 4, false, true, hyperv_call_flush_ex },
	{ HV_CALL_FLUSH_LIST_EX, 4, true, true, hyperv_call_flush_ex },
	{ HV_CALL_SEND_IPI_EX, 3, false, true, hyperv_call_ipi_ex },
};
#define FAST_HEAD 2 /* quadwords that fit the registers */

/* The input value and the two parameters, wherever the caller's mode has them. */
struct call_regs {
	u64 input, in, out;
	bool wide; /* a 64-bit caller */
};

static u64 pair(const struct vcpu *v, unsigned high, unsigned low)
{
	return v->regs.r[high] << 32 | (u32)v->regs.r[low];
}

static struct call_regs read_regs(const struct vcpu *v, u64 mode)
{
	const u64 *r = v->regs.r;

	if (likely(fetch_mode_is_64bit(mode)))
		return (struct call_regs){ r[REG_RCX], r[REG_RDX], r[REG_R8], true };
	return (struct call_regs){ pair(v, REG_RDX, REG_RAX), pair(v, REG_RBX, REG_RCX),
				   pair(v, REG_RDI, REG_RSI), false };
}

static void write_result(struct vcpu *v, bool wide, u64 result)
{
	v->regs.r[REG_RAX] = wide ? result : (u32)result;
	if (!wide)
		v->regs.r[REG_RDX] = result >> 32;
}

static u32 field(u64 input, unsigned shift, unsigned bits)
{
	return (u32)(input >> shift) & ((1u << bits) - 1);
}

static const struct call_kind *find_kind(u64 input)
{
	for (const struct call_kind *k = kinds; k < kinds + ARRAY_SIZE(kinds); k++) {
		if (k->code == (u16)input)
			return k;
	}
	return NULL;
}

static bool input_is_valid(const struct call_kind *k, u64 input)
{
	u32 count = field(input, HV_CALL_COUNT_SHIFT, 12);
	u32 start = field(input, HV_CALL_START_SHIFT, 12);

	if (input & HV_CALL_RESERVED || (!k->var && field(input, HV_CALL_VAR_SHIFT, 10)))
		return false;
	return k->rep ? start < count : !(start | count);
}

/* Headers and list lie in one page of RAM. Of the list nothing is read: see hypercall_vps.c. */
static u32 read_memory(struct hyperv_call *c, const struct call_kind *k, const struct call_regs *r)
{
	u64 words = k->head + c->var + field(r->input, HV_CALL_COUNT_SHIFT, 12);

	if (!IS_ALIGNED(r->in, 8ull) || words * 8 > PAGE_SIZE - (r->in & (PAGE_SIZE - 1)))
		return HV_INVALID_ALIGNMENT;
	c->var_at = GPA(r->in + k->head * 8u);
	if (guest_mem_read(c->vcpu->vm, GPA(r->in), c->head, k->head * 8u))
		return HV_INVALID_ALIGNMENT;
	return HV_SUCCESS;
}

static u32 call(struct vcpu *v, const struct call_kind *k, const struct call_regs *r)
{
	struct hyperv_call c = { .vcpu = v, .var = field(r->input, HV_CALL_VAR_SHIFT, 10) };
	u32 status = HV_SUCCESS;

	if (r->input & HV_CALL_FAST) {
		c.head[0] = r->in;
		c.head[1] = r->out;
	} else {
		status = read_memory(&c, k, r);
	}
	return status ? status : k->fn(&c);
}

/* More input than the general registers hold would be in XMM registers, which is not offered. */
static bool needs_xmm(const struct call_kind *k, u64 input)
{
	return (input & HV_CALL_FAST) && (k->head > FAST_HEAD || k->rep);
}

static bool may_call(const struct vcpu *v, u64 mode)
{
	u64 level = 3ull << FETCH_CPL_SHIFT;

	return (READ_ONCE(v->vm->hyperv.hypercall) & HYPERV_PAGE_ENABLED) && (mode & BIT(0)) &&
	       !(mode & level);
}

int hyperv_hypercall(struct vcpu *v, u64 mode)
{
	struct call_regs r = read_regs(v, mode);
	const struct call_kind *k = find_kind(r.input);
	u64 result;

	if (!may_call(v, mode))
		return -EINVAL;
	if (!k) {
		result = HV_INVALID_CODE;
	} else if (!input_is_valid(k, r.input)) {
		result = HV_INVALID_INPUT;
	} else if (needs_xmm(k, r.input)) {
		return -EINVAL;
	} else {
		result = call(v, k, &r);
		/* All of the list is done, wherever it began, or nothing. */
		result |=
			(u64)field(r.input, result ? HV_CALL_START_SHIFT : HV_CALL_COUNT_SHIFT, 12)
			<< HV_CALL_COUNT_SHIFT;
	}
	write_result(v, r.wide, result);
	return 0;
}
