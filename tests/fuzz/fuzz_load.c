/*
 * libFuzzer entry: any bytes as a guest's kernel, initrd and module. The first four bytes of the
 * input choose the shape. Whatever is loaded, writes stay within the guest's RAM by its memory map
 * and leave the areas of the ACPI tables alone, and the start state points into RAM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hv/guest_mem.h"
#include "hv/load/load.h"
#include "shim.h"

#define SHAPE_BYTES 4

/* No memory is behind it: reading what is written is enough, and a guest may have gigabytes. */
struct vm {
	const struct guest_memmap *map;
	u8 sum;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_ram(const struct guest_memmap *map, u64 base, u64 size)
{
	for (unsigned i = 0; i < map->count; i++) {
		const struct memmap_entry *e = &map->entry[i];

		if (e->type == MEMMAP_RAM && base >= e->base && base - e->base <= e->size &&
		    size <= e->size - (base - e->base))
			return true;
	}
	return false;
}

int guest_mem_read(struct vm *vm, gpa_t gpa, void *buf, size_t n)
{
	(void)vm, (void)gpa, (void)buf, (void)n;
	return -EFAULT;
}

int guest_mem_write(struct vm *vm, gpa_t gpa, const void *buf, size_t n)
{
	const u8 *p = buf;

	check(n > 0 && is_ram(vm->map, gpa.v, n));
	for (size_t i = 0; i < n; i++)
		vm->sum ^= p[i];
	return 0;
}

int guest_mem_zero(struct vm *vm, gpa_t gpa, size_t n)
{
	check(n > 0 && is_ram(vm->map, gpa.v, n));
	return 0;
}

static const u64 sizes[] = {
	MIB, MIB + 4 * PAGE_SIZE, 16 * MIB, 64 * MIB, 512 * MIB, 3 * GIB, 5 * GIB, VM_MAX_MEMORY,
};

/* Kinds of kernels, by bits 5 and 6 of the second byte. */
enum kind { KIND_RAW, KIND_LINUX, KIND_HEADER, KIND_ELF };

#define KERNEL_SIZE 0x900
#define HEADER_AT   0x60 /* of the multiboot header */
#define PATCH_SIZE  6	 /* a 16-bit offset and a 32-bit value */

static void put(u8 *p, size_t at, unsigned bytes, u64 value)
{
	memcpy(p + at, &value, bytes);
}

/* A sound bzImage of KERNEL_SIZE bytes. */
static void build_linux(u8 *p)
{
	put(p, 0x1f1, 1, 1);
	put(p, 0x1f4, 4, (KERNEL_SIZE - 1024) / 16);
	put(p, 0x1fe, 2, 0xaa55);
	put(p, 0x200, 2, 0x66eb);
	put(p, 0x202, 4, 0x53726448);
	put(p, 0x206, 2, 0x020f);
	put(p, 0x211, 1, 1);
	put(p, 0x22c, 4, 0x7fffffff);
	put(p, 0x230, 4, 0x1000);
	put(p, 0x234, 4, 0x00010001);
	put(p, 0x238, 4, 2047);
	put(p, 0x258, 4, 0x200000);
	put(p, 0x260, 4, 0x100000);
}

/* A sound ELF file with two segments, and sections: null, symbols, strings. */
static void build_elf(u8 *p)
{
	static const u32 head[] = { 0x464c457f, 0x00010101, 0,	       0,     0x00030002,
				    1,		0x100010,   0x100,     0x200, 0,
				    0x00200034, 0x00280002, 0x00020003 };
	static const u32 segments[] = { 1, 0x300, 0x100000, 0x100000, 0x80, 0x80,   5, 16,
					1, 0x400, 0x102000, 0x102000, 0x10, 0x1000, 6, 16 };
	static const u32 sections[] = { 1, 2, 0, 0, 0x500, 0x20, 2, 0, 4, 16,
					7, 3, 0, 0, 0x520, 0x30, 0, 0, 1, 0 };

	memcpy(p, head, sizeof(head));
	memcpy(p + 0x100, segments, sizeof(segments));
	memcpy(p + 0x200 + 40, sections, sizeof(sections));
	put(p, HEADER_AT + 4, 4, 3);
}

static void patch(u8 *kernel, size_t n, const u8 *patches)
{
	for (; n > 0; n--, patches += PATCH_SIZE) {
		u16 at;

		memcpy(&at, patches, sizeof(at));
		memcpy(kernel + at % (KERNEL_SIZE - 3), patches + 2, 4);
	}
}

/* Luck would hardly find a header whose sum is zero. */
static void fix_header(u8 *p, size_t size)
{
	u32 flags;

	if (size < HEADER_AT + 12)
		return;
	memcpy(&flags, p + HEADER_AT + 4, sizeof(flags));
	put(p, HEADER_AT, 4, 0x1badb002);
	put(p, HEADER_AT + 8, 4, 0u - 0x1badb002 - flags);
}

static void add_end_mark(u8 *member)
{
	memcpy(member + 54, "00000004", 8);
	memcpy(member + 94, "0000000b", 8);
	memcpy(member + 110, "TRAILER!!!", 11);
}

/*
 * Makes the bytes a cpio archive of members of 128 bytes: a header, a name of 1 byte and 16 bytes
 * of data, but for sizes and digits that the bytes in their place change.
 */
static void dress_cpio(u8 *p, size_t size)
{
	for (size_t at = 0; at + 128 <= size; at += 128) {
		u8 file = p[at + 60], name = p[at + 100], bad = p[at + 80];

		memset(p + at, '0', 110);
		memcpy(p + at, "070701", 6);
		p[at + 60] = '1';
		p[at + 61] = file < 128 ? '0' : file;
		p[at + 101] = name < 128 ? '2' : name;
		if (bad == 255)
			p[at + 54 + name % 48] = file;
		else if (bad > 250)
			add_end_mark(p + at);
	}
}

static void load(const u8 *shape, struct load_source kernel, struct load_source rest)
{
	static struct vm_config cfg;
	struct guest_memmap map;
	struct vm vm = { &map, 0 };
	struct load_images images = { .kernel = kernel };
	struct start_state start;

	cfg.memory = sizes[shape[0] % ARRAY_SIZE(sizes)];
	memset(cfg.cmdline, 'c', shape[3] * 4u);
	cfg.cmdline[shape[3] * 4u] = '\0';
	if (shape[1] & 1)
		images.initrd = rest;
	images.module_count = MIN(shape[1] >> 1 & 15, VM_MODULE_MAX);
	cfg.module_count = images.module_count;
	for (unsigned i = 0; i < images.module_count; i++)
		images.module[i] = rest;
	check(guest_memmap_init(&map, cfg.memory) == 0);
	if (load_guest(&vm, &cfg, &images, &map, &start) != 0) {
		check(shim_log_count() > 0);
		return;
	}
	check(is_ram(&map, start.rip, 1) && is_ram(&map, start.gdt_base, start.gdt_limit + 1));
	check(start.mode == START_PROT32 || is_ram(&map, start.cr3, 6 * PAGE_SIZE));
}

static void run(const u8 *shape, const u8 *data, size_t size)
{
	enum kind kind = shape[1] >> 5 & 3;
	bool made = kind == KIND_LINUX || kind == KIND_ELF;
	/* The input is patches to a sound kernel, or the kernel itself; then a module. */
	size_t head = made ? MIN(shape[2], size / PATCH_SIZE) * PATCH_SIZE
			   : size - MIN(shape[2] * 16u, size);
	size_t kernel_size = made ? KERNEL_SIZE : head;
	u8 *kernel = calloc(1, kernel_size + 1), *rest = malloc(size - head + 1);

	memcpy(rest + 1, data + head, size - head);
	if (shape[1] & 0x80)
		dress_cpio(rest + 1, size - head);
	if (made) {
		kind == KIND_LINUX ? build_linux(kernel + 1) : build_elf(kernel + 1);
		patch(kernel + 1, head / PATCH_SIZE, data);
	} else {
		memcpy(kernel + 1, data, head);
	}
	if (kind == KIND_HEADER || kind == KIND_ELF)
		fix_header(kernel + 1, kernel_size);
	load(shape, (struct load_source){ kernel + 1, kernel_size, "kernel" },
	     (struct load_source){ rest + 1, size - head, "rest" });
	free(kernel);
	free(rest);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	if (size < SHAPE_BYTES)
		return 0;
	shim_log_reset();
	run(data, data + SHAPE_BYTES, size - SHAPE_BYTES);
	check(shim_heap_live() == 0);
	return 0;
}
