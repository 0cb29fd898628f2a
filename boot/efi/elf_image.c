#include "boot/efi/elf_image.h"

#include <errno.h>
#include <string.h>

#define PT_LOAD	       1
#define MACHINE_X86_64 62
#define SEGMENTS_MAX   16

/* System V ABI, ELF-64 object file format. */
struct elf_header {
	u8 ident[16];
	u16 type, machine;
	u32 version;
	u64 entry, phoff, shoff;
	u32 flags;
	u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_segment {
	u32 type, flags;
	u64 offset, vaddr, paddr, filesz, memsz, align;
};

static struct elf_header get_header(const u8 *elf)
{
	struct elf_header h;

	memcpy(&h, elf, sizeof(h));
	return h;
}

static struct elf_segment get_segment(const u8 *elf, unsigned i)
{
	struct elf_segment s;

	memcpy(&s, elf + get_header(elf).phoff + i * sizeof(s), sizeof(s));
	return s;
}

static bool header_is_sound(const u8 *elf, size_t n)
{
	static const u8 ident[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
	struct elf_header h;

	if (n < sizeof(h) || memcmp(elf, ident, sizeof(ident)) != 0)
		return false;
	h = get_header(elf);
	return h.machine == MACHINE_X86_64 && h.phentsize == sizeof(struct elf_segment) &&
	       h.phnum <= SEGMENTS_MAX && h.phoff <= n &&
	       h.phnum * sizeof(struct elf_segment) <= n - h.phoff;
}

static bool segment_is_sound(const struct elf_segment *s, size_t n)
{
	return s->offset <= n && s->filesz <= n - s->offset && s->filesz <= s->memsz &&
	       s->memsz <= UINT64_MAX - s->paddr;
}

int elf_image_span(const u8 *elf, size_t n, struct elf_span *out)
{
	u64 low = UINT64_MAX, high = 0;

	if (!header_is_sound(elf, n))
		return -ENOEXEC;
	for (unsigned i = 0; i < get_header(elf).phnum; i++) {
		struct elf_segment s = get_segment(elf, i);

		if (s.type != PT_LOAD)
			continue;
		if (!segment_is_sound(&s, n))
			return -ENOEXEC;
		low = MIN(low, s.paddr);
		high = MAX(high, s.paddr + s.memsz);
	}
	if (low >= high)
		return -ENOEXEC;
	*out = (struct elf_span){ low, high - low };
	return 0;
}

void elf_image_copy(const u8 *elf, const struct elf_span *span, u8 *to)
{
	memset(to, 0, span->size);
	for (unsigned i = 0; i < get_header(elf).phnum; i++) {
		struct elf_segment s = get_segment(elf, i);

		if (s.type == PT_LOAD)
			memcpy(to + (s.paddr - span->base), elf + s.offset, s.filesz);
	}
}
