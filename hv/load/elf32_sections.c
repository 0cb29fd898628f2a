#include <errno.h>
#include <string.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/elf32.h"
#include "mm/heap.h"

#define SECTION_ALIGN 16 /* enough for symbols and strings */

/*
 * The section headers and behind them, each at a multiple of SECTION_ALIGN, the sections that no
 * segment holds, in one piece of guest memory at base.
 */
struct section_table {
	u8 *headers; /* our copy */
	u64 headers_size;
	unsigned num;
	u64 base;
};

static bool is_loose(const u8 *sh)
{
	u32 type = get_le32(sh + ELF32_S_TYPE);

	return type != ELF_SHT_NULL && type != ELF_SHT_NOBITS &&
	       !(get_le32(sh + ELF32_S_FLAGS) & ELF_SHF_ALLOC) && get_le32(sh + ELF32_S_SIZE) != 0;
}

/* Bytes of the whole piece; 0 when a section is not within the file. */
static u64 measure(const struct section_table *table, u64 file_size)
{
	u64 total = table->headers_size;

	for (unsigned i = 0; i < table->num; i++) {
		const u8 *sh = table->headers + i * ELF32_SHDR;

		if (!is_loose(sh))
			continue;
		if (get_le32(sh + ELF32_S_OFFSET) + (u64)get_le32(sh + ELF32_S_SIZE) > file_size)
			return 0;
		total = ALIGN_UP(total, SECTION_ALIGN) + get_le32(sh + ELF32_S_SIZE);
	}
	return total;
}

static int copy_sections(const struct load_job *job, const struct section_table *table)
{
	const u8 *file = job->images->kernel.data;
	u64 at = table->base + table->headers_size;
	int err;

	for (unsigned i = 0; i < table->num; i++) {
		u8 *sh = table->headers + i * ELF32_SHDR;

		if (!is_loose(sh))
			continue;
		at = ALIGN_UP(at, SECTION_ALIGN);
		put_le32(sh + ELF32_S_ADDR, (u32)at);
		err = guest_mem_write(job->vm, GPA(at), file + get_le32(sh + ELF32_S_OFFSET),
				      get_le32(sh + ELF32_S_SIZE));
		if (err)
			return load_copy_failed(job, "the symbols", err);
		at += get_le32(sh + ELF32_S_SIZE);
	}
	err = guest_mem_write(job->vm, GPA(table->base), table->headers, table->headers_size);
	return err ? load_copy_failed(job, "the section headers", err) : 0;
}

static int place_sections(struct load_job *job, struct section_table *table)
{
	u64 total = measure(table, job->images->kernel.size);
	gpa_t at;

	if (total == 0) {
		load_warn(job, "a section lies behind the file's end; the guest gets no symbols");
		return -ENOEXEC;
	}
	if (place_behind(&job->place, total, PAGE_SIZE, MIB, 4 * GIB, &at) != 0) {
		load_warn(job, "no room for %lu KiB of symbols; the guest gets none",
			  (unsigned long)DIV_ROUND_UP(total, KIB));
		return -ENOSPC;
	}
	table->base = at.v;
	return 0;
}

/* True when the file has section headers, and all of them. */
static bool has_sections(const struct load_job *job, const u8 *p)
{
	unsigned num = get_le16(p + ELF32_SHNUM);
	u64 end = get_le32(p + ELF32_SHOFF) + (u64)num * ELF32_SHDR;

	if (num == 0)
		return false;
	if (get_le16(p + ELF32_SHENTSIZE) == ELF32_SHDR && end <= job->images->kernel.size)
		return true;
	load_warn(job, "its section headers are damaged; the guest gets no symbols");
	return false;
}

int elf32_load_sections(struct load_job *job, struct elf32_sections *out)
{
	const u8 *p = job->images->kernel.data;
	struct section_table table = { .num = get_le16(p + ELF32_SHNUM) };
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!has_sections(job, p))
		return 0;
	table.headers_size = (u64)table.num * ELF32_SHDR;
	table.headers = heap_alloc(table.headers_size);
	if (!table.headers) {
		load_error(job, "no memory for %u section headers", table.num);
		return -ENOMEM;
	}
	memcpy(table.headers, p + get_le32(p + ELF32_SHOFF), table.headers_size);
	if (place_sections(job, &table) == 0) {
		err = copy_sections(job, &table);
		*out = (struct elf32_sections){ table.num, ELF32_SHDR, (u32)table.base,
						get_le16(p + ELF32_SHSTRNDX) };
	}
	heap_free(table.headers);
	return err;
}
