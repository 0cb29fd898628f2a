#include "hv/load/elf32.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/segment.h"

bool elf_is_file(const struct load_source *src)
{
	return src->size >= ELF_IDENT_END && get_le32(src->data) == ELF_MAGIC;
}

static int check_header(const struct load_job *job, const u8 *p, u64 size)
{
	if (p[ELF_CLASS] != ELF_CLASS32) {
		load_error(job, "a 64-bit ELF file; expected a 32-bit one for multiboot");
		return -ENOEXEC;
	}
	if (size < ELF32_HEADER) {
		load_error(job, "truncated ELF file of %lu bytes; expected at least %u",
			   (unsigned long)size, ELF32_HEADER);
		return -ENOEXEC;
	}
	if (get_le16(p + ELF32_TYPE) != ELF_TYPE_EXEC ||
	    get_le16(p + ELF32_MACHINE) != ELF_MACHINE_386) {
		load_error(job,
			   "ELF type %u for machine %u; expected an executable (2) for i386 (3)",
			   get_le16(p + ELF32_TYPE), get_le16(p + ELF32_MACHINE));
		return -ENOEXEC;
	}
	if (get_le16(p + ELF32_PHENTSIZE) != ELF32_PHDR) {
		load_error(job, "damaged ELF file: program headers of %u bytes; expected %u",
			   get_le16(p + ELF32_PHENTSIZE), ELF32_PHDR);
		return -ENOEXEC;
	}
	if (get_le32(p + ELF32_PHOFF) + (u64)get_le16(p + ELF32_PHNUM) * ELF32_PHDR > size) {
		load_error(job,
			   "truncated ELF file of %lu bytes: the program headers lie behind it",
			   (unsigned long)size);
		return -ENOEXEC;
	}
	return 0;
}

static int load_segment(struct load_job *job, unsigned index, const u8 *ph)
{
	const u8 *file = job->images->kernel.data;
	struct segment seg = {
		.offset = get_le32(ph + ELF32_P_OFFSET),
		.file_size = get_le32(ph + ELF32_P_FILESZ),
		.addr = get_le32(ph + ELF32_P_PADDR),
		.mem_size = get_le32(ph + ELF32_P_MEMSZ),
	};

	if (seg.file_size > seg.mem_size) {
		load_error(job, "damaged ELF file: segment %u has %lu bytes in a room of %lu",
			   index, (unsigned long)seg.file_size, (unsigned long)seg.mem_size);
		return -ENOEXEC;
	}
	return segment_load(job, file, &seg);
}

/*
 * The entry address is a virtual one by the ELF specification, but kernels that run above their
 * physical place often give a physical one. Returns false when the segment holds neither.
 */
static bool find_entry(const u8 *ph, u32 entry, u32 *physical)
{
	u32 vaddr = get_le32(ph + ELF32_P_VADDR), paddr = get_le32(ph + ELF32_P_PADDR);
	u32 size = get_le32(ph + ELF32_P_MEMSZ);

	if (entry - vaddr < size)
		*physical = paddr + (entry - vaddr);
	else if (entry - paddr < size)
		*physical = entry;
	else
		return false;
	return true;
}

int elf32_load_segments(struct load_job *job, u32 *entry)
{
	const u8 *p = job->images->kernel.data;
	bool loaded = false, found = false;
	int err = check_header(job, p, job->images->kernel.size);

	if (err)
		return err;
	for (unsigned i = 0; i < get_le16(p + ELF32_PHNUM); i++) {
		const u8 *ph = p + get_le32(p + ELF32_PHOFF) + i * ELF32_PHDR;

		if (get_le32(ph + ELF32_P_TYPE) != ELF_PT_LOAD || get_le32(ph + ELF32_P_MEMSZ) == 0)
			continue;
		err = load_segment(job, i, ph);
		if (err)
			return err;
		loaded = true;
		found = found || find_entry(ph, get_le32(p + ELF32_ENTRY), entry);
	}
	if (found)
		return 0;
	if (!loaded)
		load_error(job, "an ELF file with nothing to load; expected a segment at least");
	else
		load_error(job, "the entry address 0x%x is in none of the ELF file's segments",
			   get_le32(p + ELF32_ENTRY));
	return -ENOEXEC;
}
