/*
 * A guest's memory for tests and fuzzers of the loaders: each RAM area of a guest_memmap as host
 * memory, allocated only where touched. Included by one file of a program; defines guest_mem_*().
 */
#ifndef NEAP_TESTS_FAKE_GUEST_H
#define NEAP_TESTS_FAKE_GUEST_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hv/guest_mem.h"
#include "hv/load/memmap.h"

struct vm {
	struct guest_memmap map;
	u8 *area[MEMMAP_RAM_MAX];
	unsigned fail_write; /* the n-th next write fails; 0: none */
};

static inline int fake_guest_create(struct vm *vm, u64 memory)
{
	int err = guest_memmap_init(&vm->map, memory);

	vm->fail_write = 0;
	for (unsigned i = 0; !err && i < vm->map.ram_count; i++) {
		vm->area[i] = mmap(NULL, vm->map.ram[i].size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (vm->area[i] == MAP_FAILED)
			abort();
	}
	return err;
}

static inline void fake_guest_destroy(struct vm *vm)
{
	for (unsigned i = 0; i < vm->map.ram_count; i++)
		munmap(vm->area[i], vm->map.ram[i].size);
}

/* Where n bytes at gpa are, NULL when not all of them are RAM. */
static inline u8 *fake_guest_at(struct vm *vm, u64 gpa, u64 n)
{
	for (unsigned i = 0; i < vm->map.ram_count; i++) {
		u64 base = vm->map.ram[i].base.v, size = vm->map.ram[i].size;

		if (gpa >= base && gpa - base <= size && n <= size - (gpa - base))
			return vm->area[i] + (gpa - base);
	}
	return NULL;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n)
{
	u8 *p = fake_guest_at(vm, gpa.v, n);

	if (!p)
		return -EFAULT;
	memcpy(buf, p, n);
	return 0;
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n)
{
	u8 *p = fake_guest_at(vm, gpa.v, n);

	if (!p || (vm->fail_write && --vm->fail_write == 0))
		return -EFAULT;
	memcpy(p, buf, n);
	return 0;
}

int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n)
{
	u8 *p = fake_guest_at(vm, gpa.v, n);

	if (!p || (vm->fail_write && --vm->fail_write == 0))
		return -EFAULT;
	memset(p, 0, n);
	return 0;
}

static inline u8 fake_guest_u8(struct vm *vm, u64 gpa)
{
	u8 *p = fake_guest_at(vm, gpa, 1);

	if (!p)
		abort();
	return *p;
}

static inline u16 fake_guest_u16(struct vm *vm, u64 gpa)
{
	return (u16)(fake_guest_u8(vm, gpa) | fake_guest_u8(vm, gpa + 1) << 8);
}

static inline u32 fake_guest_u32(struct vm *vm, u64 gpa)
{
	return fake_guest_u16(vm, gpa) | (u32)fake_guest_u16(vm, gpa + 2) << 16;
}

static inline u64 fake_guest_u64(struct vm *vm, u64 gpa)
{
	return fake_guest_u32(vm, gpa) | (u64)fake_guest_u32(vm, gpa + 4) << 32;
}

#endif
