#include "hv/load/multiboot.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/elf32.h"
#include "hv/load/multiboot_info.h"
#include "hv/load/segment.h"

#define HEADER_SHORT 12 /* magic, flags, checksum */
#define HEADER_ADDRS 32 /* with the five addresses */

_Static_assert(MULTIBOOT_SEARCH % 4 == 0, "the header lies at a multiple of 4");

static void read_addresses(const u8 *p, struct multiboot_header *out)
{
	out->header_addr = get_le32(p + 12);
	out->load_addr = get_le32(p + 16);
	out->load_end_addr = get_le32(p + 20);
	out->bss_end_addr = get_le32(p + 24);
	out->entry_addr = get_le32(p + 28);
}

bool multiboot_find_header(const struct load_source *kernel, struct multiboot_header *out)
{
	const u8 *p = kernel->data;
	u64 end = MIN(kernel->size, MULTIBOOT_SEARCH);

	memset(out, 0, sizeof(*out));
	for (u32 at = 0; at + HEADER_SHORT <= end; at += 4) {
		u32 flags = get_le32(p + at + 4);
		unsigned size = flags & MULTIBOOT_ADDRESSES ? HEADER_ADDRS : HEADER_SHORT;

		if (get_le32(p + at) != MULTIBOOT_MAGIC ||
		    MULTIBOOT_MAGIC + flags + get_le32(p + at + 8) != 0 || at + size > end)
			continue;
		out->offset = at;
		out->flags = flags;
		if (flags & MULTIBOOT_ADDRESSES)
			read_addresses(p + at, out);
		return true;
	}
	return false;
}

static int check_flags(const struct load_job *job, u32 flags)
{
	u32 unknown = flags & MULTIBOOT_REQUIRED & ~(u32)MULTIBOOT_KNOWN;

	if (unknown) {
		load_error(job,
			   "multiboot header asks for unknown features 0x%x; expected 0x%x at most",
			   unknown, MULTIBOOT_KNOWN);
		return -ENOEXEC;
	}
	if (flags & MULTIBOOT_VIDEO)
		load_warn(job, "asks for a video mode; the VM has no screen");
	return 0;
}

/* Loads by the header's own addresses, which say where in the file the image starts, too. */
static int load_by_addresses(struct load_job *job, const struct multiboot_header *h, u32 *entry)
{
	u64 before = (u64)h->header_addr - h->load_addr; /* of the image, before the header */
	struct segment seg = { .addr = h->load_addr };
	u64 file_end, mem_end;

	if (h->load_addr > h->header_addr || before > h->offset) {
		load_error(job,
			   "multiboot header at byte %u: its load address 0x%x does not suit "
			   "its own address 0x%x",
			   h->offset, h->load_addr, h->header_addr);
		return -ENOEXEC;
	}
	seg.offset = h->offset - before;
	seg.file_size = job->images->kernel.size - seg.offset;
	if (h->load_end_addr) {
		file_end = h->load_end_addr;
		seg.file_size = file_end - MIN(file_end, h->load_addr);
	}
	file_end = seg.addr + seg.file_size;
	mem_end = h->bss_end_addr ? h->bss_end_addr : file_end;
	if (seg.file_size == 0 || mem_end < file_end || h->entry_addr < seg.addr ||
	    h->entry_addr >= mem_end) {
		load_error(job,
			   "multiboot header: load 0x%x to 0x%x, bss to 0x%x, entry 0x%x; "
			   "expected them in order and the entry within",
			   h->load_addr, h->load_end_addr, h->bss_end_addr, h->entry_addr);
		return -ENOEXEC;
	}
	seg.mem_size = mem_end - seg.addr;
	*entry = h->entry_addr;
	return segment_load(job, job->images->kernel.data, &seg);
}

static int load_kernel(struct load_job *job, const struct multiboot_header *header, u32 *entry,
		       struct elf32_sections *sections)
{
	int err;

	memset(sections, 0, sizeof(*sections));
	if (header->flags & MULTIBOOT_ADDRESSES)
		return load_by_addresses(job, header, entry);
	if (!elf_is_file(&job->images->kernel)) {
		load_error(job,
			   "a multiboot kernel without load addresses; expected an ELF file then");
		return -ENOEXEC;
	}
	err = elf32_load_segments(job, entry);
	return err ? err : elf32_load_sections(job, sections);
}

/* Whole pages, above 1 MiB, whether or not the kernel asks for page alignment. */
static int load_modules(struct load_job *job, struct multiboot_modules *mods)
{
	mods->count = job->images->module_count;
	for (unsigned i = 0; i < mods->count; i++) {
		const struct load_source *src = &job->images->module[i];
		u64 room = MAX(ALIGN_UP(src->size, PAGE_SIZE), PAGE_SIZE);
		gpa_t at;
		int err = place_behind(&job->place, room, PAGE_SIZE, MIB, 4 * GIB, &at);

		if (err) {
			load_source_error(
				job, "module", src,
				"needs %lu KiB below 4 GiB; the VM has %lu KiB free there "
				"(memory = %lu KiB)",
				(unsigned long)(room / KIB),
				(unsigned long)(place_largest(&job->place, MIB, 4 * GIB) / KIB),
				(unsigned long)(job->cfg->memory / KIB));
			return -ENOSPC;
		}
		if (src->size)
			err = guest_mem_write(job->vm, at, src->data, src->size);
		if (err)
			return load_copy_failed(job, "a module", err);
		mods->start[i] = (u32)at.v;
		mods->end[i] = (u32)(at.v + src->size);
	}
	return 0;
}

int multiboot_load(struct load_job *job, const struct multiboot_header *header,
		   struct start_state *out)
{
	struct elf32_sections sections;
	struct multiboot_modules mods;
	u32 entry = 0;
	int err;

	if (job->images->initrd.data) {
		load_error(job, "a multiboot kernel takes no initrd; expected module = NAME");
		return -EINVAL;
	}
	err = check_flags(job, header->flags);
	if (!err)
		err = load_kernel(job, header, &entry, &sections);
	if (!err)
		err = load_modules(job, &mods);
	memset(out, 0, sizeof(*out));
	if (!err)
		err = multiboot_write_info(job, &sections, &mods, out);
	if (err)
		return err;
	out->mode = START_PROT32;
	out->rip = entry;
	out->regs.r[REG_RAX] = MULTIBOOT_LOADER_MAGIC;
	return 0;
}
