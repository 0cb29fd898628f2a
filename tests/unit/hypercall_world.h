/*
 * A VM for tests of hypercalls: vCPUs that note what they are asked for, and a page or two of RAM.
 * Included by one file of a program; takes the place of guest memory, local APICs and flushes.
 */
#ifndef NEAP_TESTS_HYPERCALL_WORLD_H
#define NEAP_TESTS_HYPERCALL_WORLD_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/time.h"
#include "hv/fetch_cache.h"
#include "hv/guest_mem.h"
#include "hv/hyperv/hypercall.h"
#include "hv/vcpu_flush.h"
#include "hv/vm.h"

#define WORLD_RAM    0x10000ull
#define WORLD_KERNEL (BIT(0) | BIT(31) | FETCH_CS_L | BIT(10)) /* 64-bit code, level 0 */
#define WORLD_32BIT  (BIT(0) | BIT(31))

static u8 world_ram[WORLD_RAM];
static struct vm *world_vm;
static unsigned *world_flushed, *world_sent; /* how often, by the vCPU's number */
static unsigned world_visits, world_finished, world_reads, world_all;
static u8 world_vector;

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n)
{
	(void)vm;
	world_reads++;
	if (gpa.v >= WORLD_RAM || n > WORLD_RAM - gpa.v)
		return -EFAULT;
	memcpy(buf, world_ram + gpa.v, n);
	return 0;
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n)
{
	(void)vm;
	if (gpa.v >= WORLD_RAM || n > WORLD_RAM - gpa.v)
		return -EFAULT;
	memcpy(world_ram + gpa.v, buf, n);
	return 0;
}

int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n)
{
	(void)vm;
	if (gpa.v >= WORLD_RAM || n > WORLD_RAM - gpa.v)
		return -EFAULT;
	memset(world_ram + gpa.v, 0, n);
	return 0;
}

/* Indexes are given before anybody looks. */
void rcu_synchronize(void)
{
	abort();
}

void vcpu_flush_begin(struct vcpu_flush *f, struct vcpu *self)
{
	f->self = self;
}

void vcpu_flush_ask(struct vcpu_flush *f, struct vcpu *target)
{
	(void)f;
	world_flushed[target->index]++;
	world_visits++;
}

void vcpu_flush_add_all(struct vcpu_flush *f)
{
	(void)f;
	world_all++;
}

void vcpu_flush_finish(struct vcpu_flush *f)
{
	(void)f;
	world_finished++;
}

bool lapic_deliver(struct lapic *l, u8 vector, bool level)
{
	world_sent[container_of(l, struct vcpu, lapic)->index]++;
	world_visits++;
	world_vector = vector;
	return !level;
}

/* vCPUs 0 .. count - 1 with these indexes; NULL: their numbers. The page is enabled. */
static inline struct vcpu *world_create(u32 count, const u16 *index)
{
	world_vm = calloc(1, sizeof(*world_vm));
	world_vm->tsc.hz = time_hz();
	world_flushed = calloc(count, sizeof(*world_flushed));
	world_sent = calloc(count, sizeof(*world_sent));
	memset(world_ram, 0, sizeof(world_ram));
	world_visits = world_finished = world_reads = world_all = 0;
	for (u32 i = 0; i < count; i++) {
		struct vcpu *v = calloc(1, sizeof(*v));

		v->vm = world_vm;
		v->index = i;
		if (vcpu_table_add(&world_vm->vcpus, i, v))
			abort();
	}
	world_vm->hyperv.on = true;
	world_vm->hyperv.hypercall = HYPERV_PAGE_ENABLED;
	vp_index_init(&world_vm->hyperv.vp, VP_INDEX_MAX, count);
	if (index && vp_index_set_all(&world_vm->hyperv.vp, index))
		abort();
	return vcpu_table_get(&world_vm->vcpus, 0);
}

static inline void world_destroy(void)
{
	struct vcpu *v;

	vm_for_each_vcpu (v, &world_vm->vcpus, i)
		free(v);
	vcpu_table_fini(&world_vm->vcpus);
	vp_index_fini(&world_vm->hyperv.vp);
	free(world_vm);
	free(world_flushed);
	free(world_sent);
}

/* As a 64-bit kernel calls. */
static inline int world_call(struct vcpu *v, u64 input, u64 in, u64 out)
{
	v->regs.r[REG_RCX] = input;
	v->regs.r[REG_RDX] = in;
	v->regs.r[REG_R8] = out;
	v->regs.r[REG_RAX] = 0x5555;
	return hyperv_hypercall(v, WORLD_KERNEL);
}

#endif
