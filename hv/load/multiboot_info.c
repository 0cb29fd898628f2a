#include "hv/load/multiboot_info.h"

#include <errno.h>

#include "core/panic.h"
#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/tables.h"
#include "mm/heap.h"

#define LOADER_NAME "Neap"

/* The block: first what has a fixed place, then the strings. */
#define AT_GDT	   (ALIGN_UP(MBI_SIZE, 8))
#define AT_MMAP	   (AT_GDT + START_GDT_SIZE)
#define AT_MODS	   (AT_MMAP + MEMMAP_ENTRY_MAX * MBI_MMAP_ENTRY)
#define AT_STRINGS (AT_MODS + VM_MODULE_MAX * MBI_MODULE)
#define BLOCK_SIZE                                                                        \
	ALIGN_UP(AT_STRINGS + (1 + VM_MODULE_MAX) * VM_CMDLINE_MAX + sizeof(LOADER_NAME), \
		 (size_t)PAGE_SIZE)

_Static_assert(AT_GDT % 8 == 0 && AT_MMAP % 4 == 0 && AT_MODS % 4 == 0, "fields are aligned");

/* Best is below 640 KiB, out of the way of kernels that use what lies behind them unasked. */
#define BLOCK_LOW_MIN 0x10000

struct block {
	u8 *p;	  /* BLOCK_SIZE bytes of ours */
	u32 base; /* where they go */
	u32 used;
};

static u32 add_string(struct block *b, const char *s)
{
	size_t n = strlen(s) + 1;
	u32 at = b->used;

	ASSERT(n <= BLOCK_SIZE - at);
	memcpy(b->p + at, s, n);
	b->used += (u32)n;
	return b->base + at;
}

static void fill_memory(struct block *b, const struct guest_memmap *map)
{
	u8 *p = b->p + AT_MMAP;
	u64 upper = 0;

	for (unsigned i = 0; i < map->count; i++, p += MBI_MMAP_ENTRY) {
		const struct memmap_entry *e = &map->entry[i];

		put_le32(p, MBI_MMAP_ENTRY - 4);
		put_le64(p + 4, e->base);
		put_le64(p + 12, e->size);
		put_le32(p + 20, e->type);
		if (e->type == MEMMAP_RAM && e->base == MIB)
			upper = e->size;
	}
	put_le32(b->p + MBI_MEM_LOWER, MEMMAP_EBDA_BASE / KIB);
	put_le32(b->p + MBI_MEM_UPPER, (u32)(upper / KIB));
	put_le32(b->p + MBI_MMAP_LENGTH, map->count * MBI_MMAP_ENTRY);
	put_le32(b->p + MBI_MMAP_ADDR, b->base + AT_MMAP);
}

static void fill_modules(struct block *b, const struct vm_config *cfg,
			 const struct multiboot_modules *mods)
{
	for (unsigned i = 0; i < mods->count; i++) {
		u8 *p = b->p + AT_MODS + i * MBI_MODULE;

		put_le32(p, mods->start[i]);
		put_le32(p + 4, mods->end[i]);
		put_le32(p + 8, add_string(b, cfg->module[i].cmdline));
	}
	put_le32(b->p + MBI_MODS_COUNT, mods->count);
	put_le32(b->p + MBI_MODS_ADDR, mods->count ? b->base + AT_MODS : 0);
}

static void fill_block(struct block *b, const struct load_job *job,
		       const struct elf32_sections *sections, const struct multiboot_modules *mods)
{
	u32 flags = MBI_MEMORY | MBI_CMDLINE | MBI_MODULES | MBI_MMAP | MBI_LOADER_NAME;

	b->used = AT_STRINGS;
	start_gdt_fill(b->p + AT_GDT, START_PROT32);
	fill_memory(b, job->map);
	fill_modules(b, job->cfg, mods);
	put_le32(b->p + MBI_CMDLINE_ADDR, add_string(b, job->cfg->cmdline));
	put_le32(b->p + MBI_NAME_ADDR, add_string(b, LOADER_NAME));
	if (sections->num) {
		flags |= MBI_ELF;
		put_le32(b->p + MBI_ELF_NUM, sections->num);
		put_le32(b->p + MBI_ELF_SIZE, sections->entry_size);
		put_le32(b->p + MBI_ELF_ADDR, sections->addr);
		put_le32(b->p + MBI_ELF_SHNDX, sections->names_index);
	}
	put_le32(b->p + MBI_FLAGS, flags);
}

static int place_block(struct load_job *job, u32 *base)
{
	gpa_t at;
	int err = place_behind(&job->place, BLOCK_SIZE, PAGE_SIZE, BLOCK_LOW_MIN, MEMMAP_EBDA_BASE,
			       &at);

	if (err == -ENOMEM)
		err = place_behind(&job->place, BLOCK_SIZE, PAGE_SIZE, MIB, 4 * GIB, &at);
	if (err) {
		load_error(job,
			   "needs %lu KiB for the multiboot information; the VM has no room left "
			   "(memory = %lu KiB)",
			   (unsigned long)(BLOCK_SIZE / KIB),
			   (unsigned long)(job->cfg->memory / KIB));
		return -ENOSPC;
	}
	*base = (u32)at.v;
	return 0;
}

int multiboot_write_info(struct load_job *job, const struct elf32_sections *sections,
			 const struct multiboot_modules *mods, struct start_state *out)
{
	struct block b = { 0 };
	int err = place_block(job, &b.base);

	if (err)
		return err;
	b.p = heap_alloc(BLOCK_SIZE);
	if (!b.p) {
		load_error(job, "no memory for the multiboot information");
		return -ENOMEM;
	}
	fill_block(&b, job, sections, mods);
	err = guest_mem_write(job->vm, GPA(b.base), b.p, BLOCK_SIZE);
	heap_free(b.p);
	if (err)
		return load_copy_failed(job, "the multiboot information", err);
	out->gdt_base = b.base + AT_GDT;
	out->gdt_limit = START_GDT_SIZE - 1;
	out->regs.r[REG_RBX] = b.base;
	return 0;
}
