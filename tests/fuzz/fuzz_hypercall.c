/*
 * libFuzzer entry: any registers and any memory as a hypercall. The first bytes are the registers,
 * the rest is what lies at the input's address. Nobody is reached who is not named, RIP's side of
 * it (the return value) is one of two, and what is not the result stays.
 */
#include <stdlib.h>

#include "hypercall_world.h"

#define CPUS 70

static void check(bool ok)
{
	if (!ok)
		abort();
}

static struct vcpu *world(void)
{
	static struct vcpu *self;
	u16 index[CPUS];

	for (u32 i = 0; i < CPUS; i++)
		index[i] = (u16)(i == 3 ? 4095 : CPUS - 1 - i);
	if (!self)
		self = world_create(CPUS, index);
	return self;
}

static bool is_status(u64 result)
{
	u32 status = result & 0xffff;

	return status <= HV_INVALID_PARAMETER && status != 1;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct vcpu *v = world();
	u64 in[4] = { 0 }, kept;
	size_t n = MIN(size, sizeof(in));
	int err;

	memcpy(in, data, n);
	memset(world_ram, 0, WORLD_RAM);
	/* Calls that exist, in memory that is there, more often than chance has them. */
	if (in[3] & 1)
		in[1] &= 0x1fff;
	memcpy(world_ram + (in[1] < WORLD_RAM / 2 ? in[1] : 0), data + n,
	       MIN(size - n, WORLD_RAM / 2));
	world_visits = 0;
	v->regs.r[REG_RBX] = kept = in[3];
	err = world_call(v, in[0], in[1], in[2]);
	check(err == 0 || err == -EINVAL);
	check(v->regs.r[REG_RCX] == in[0] && v->regs.r[REG_RDX] == in[1]);
	check(v->regs.r[REG_R8] == in[2] && v->regs.r[REG_RBX] == kept);
	if (err || v->regs.r[REG_RAX] & 0xffff)
		check(world_visits == 0);
	if (!err)
		check(is_status(v->regs.r[REG_RAX]));
	check(world_visits <= CPUS);
	(void)hyperv_hypercall(v, WORLD_32BIT);
	return 0;
}
