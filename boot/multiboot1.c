#include "boot/multiboot1.h"

#include <errno.h>
#include <string.h>

#include "boot/loader_info.h"
#include "boot/regions.h"
#include "core/bytes.h"
#include "core/log.h"

_Static_assert(MULTIBOOT1_MMAP_MAX / 24 >= BOOT_MAX_REGIONS, "a map that fits is read whole");
_Static_assert(MULTIBOOT1_STRING_MAX > BOOT_CMDLINE_MAX + 256, "a path and the command line fit");

#define INFO_SIZE   116 /* up to the frame buffer's colours */
#define MODULE_SIZE 16

/* Bits of the information's flags: which of its fields are there. */
#define HAS_MEMORY	BIT(0)
#define HAS_CMDLINE	BIT(2)
#define HAS_MODULES	BIT(3)
#define HAS_MMAP	BIT(6)
#define HAS_LOADER	BIT(9)
#define HAS_FRAMEBUFFER BIT(12)

/* Fields by their offset. */
enum {
	INFO_FLAGS = 0,
	INFO_MEM_LOWER = 4,
	INFO_MEM_UPPER = 8,
	INFO_CMDLINE = 16,
	INFO_MODULE_COUNT = 20,
	INFO_MODULES = 24,
	INFO_MMAP_LENGTH = 44,
	INFO_MMAP = 48,
	INFO_LOADER = 64,
	INFO_FB_TYPE = 109,
};
#define FB_TYPE_TEXT 2

/* Where a PC's firmware leaves its text screen, which nobody has switched off. */
#define TEXT_BASE    0xb8000
#define TEXT_COLUMNS 80
#define TEXT_LINES   25

struct parse {
	struct boot_info *out;
	const u8 *memory;
	u64 size;
	const u8 *info;
	u32 flags;
};

/* n bytes of physical memory, NULL when they are not all there. */
static const u8 *at(const struct parse *p, u64 address, u64 n)
{
	return address <= p->size && n <= p->size - address ? p->memory + address : NULL;
}

/* A string and how many bytes may be read of it; empty when it is nowhere. */
static const u8 *string_at(const struct parse *p, u32 address, size_t *n)
{
	if (!address || address >= p->size) {
		*n = 0;
		return p->memory;
	}
	*n = (size_t)MIN(MULTIBOOT1_STRING_MAX, p->size - address);
	*n = strnlen((const char *)p->memory + address, *n);
	return p->memory + address;
}

static size_t skip_word(const u8 *s, size_t n)
{
	size_t at = loader_word_length(s, n);

	while (at < n && (s[at] == ' ' || s[at] == '\t'))
		at++;
	return at;
}

static void take_loader(struct parse *p)
{
	size_t n;
	const u8 *s = string_at(p, get_le32(p->info + INFO_LOADER), &n);

	if (p->flags & HAS_LOADER)
		(void)loader_copy_string(p->out->loader, BOOT_NAME_MAX, s, n);
}

static void take_cmdline(struct parse *p)
{
	size_t n, skip = 0;
	const u8 *s = string_at(p, get_le32(p->info + INFO_CMDLINE), &n);

	if (!(p->flags & HAS_CMDLINE))
		return;
	if (strncmp(p->out->loader, "GRUB 2", 6) != 0)
		skip = skip_word(s, n);
	loader_take_cmdline(p->out, s + skip, n - skip);
}

/* The part of a module's string that names it, *n bytes. */
static const u8 *module_name(const u8 *s, size_t *n)
{
	static const char key[] = "name=";
	const size_t key_length = sizeof(key) - 1;
	size_t first = loader_word_length(s, *n), second = skip_word(s, *n), start = first;

	if (*n - second > key_length && !memcmp(s + second, key, key_length)) {
		second += key_length;
		*n = loader_word_length(s + second, *n - second);
		return s + second;
	}
	while (start > 0 && s[start - 1] != '/')
		start--;
	*n = first - start;
	return s + start;
}

static void take_modules(struct parse *p)
{
	u32 count = get_le32(p->info + INFO_MODULE_COUNT);
	u32 list = get_le32(p->info + INFO_MODULES);

	for (u32 i = 0; i < count; i++) {
		const u8 *m = at(p, list + (u64)i * MODULE_SIZE, MODULE_SIZE);
		size_t n;
		const u8 *name;

		if (!m) {
			log_warn("boot: the list of modules is not in memory");
			return;
		}
		name = module_name(string_at(p, get_le32(m + 8), &n), &n);
		if (!loader_add_module(p->out, i + 1, get_le32(m), get_le32(m + 4), name, n))
			return;
	}
}

/* Entries: their size without this field, base, length, type. */
static void take_mmap(struct parse *p)
{
	u32 length = get_le32(p->info + INFO_MMAP_LENGTH), entry;
	const u8 *map = at(p, get_le32(p->info + INFO_MMAP), length);

	if (!map || length > MULTIBOOT1_MMAP_MAX) {
		log_warn("boot: memory map of %u bytes ignored", length);
		return;
	}
	for (u32 i = 0; length - i >= 24; i += 4 + entry) {
		const u8 *e = map + i;

		entry = get_le32(e);
		if (entry < 20 || entry > length - i - 4) {
			log_warn("boot: memory map with an entry of %u bytes cut", entry);
			return;
		}
		(void)boot_add_region(p->out, get_le64(e + 4), get_le64(e + 12),
				      loader_region_type(get_le32(e + 20)));
	}
}

/* In KiB: from 0, and from 1 MiB on. */
static void take_memory_sizes(struct parse *p)
{
	(void)boot_add_region(p->out, 0, get_le32(p->info + INFO_MEM_LOWER) * KIB, BOOT_RAM);
	(void)boot_add_region(p->out, MIB, get_le32(p->info + INFO_MEM_UPPER) * KIB, BOOT_RAM);
}

/* Our header asks for no graphics: text, unless the loader says that it is something else. */
static void take_screen(struct parse *p)
{
	if ((p->flags & HAS_FRAMEBUFFER) && p->info[INFO_FB_TYPE] != FB_TYPE_TEXT)
		return;
	p->out->fb = (struct boot_framebuffer){ .type = BOOT_FB_TEXT,
						.base = HPA(TEXT_BASE),
						.pitch = 2 * TEXT_COLUMNS,
						.width = TEXT_COLUMNS,
						.height = TEXT_LINES,
						.bpp = 16 };
}

int multiboot1_parse(const u8 *memory, u64 size, u32 info, struct boot_info *out)
{
	struct parse p = { .out = out, .memory = memory, .size = size };

	loader_info_clear(out);
	p.info = at(&p, info, INFO_SIZE);
	if (!p.info)
		return -EINVAL;
	p.flags = get_le32(p.info + INFO_FLAGS);
	take_loader(&p);
	take_cmdline(&p);
	if (p.flags & HAS_MODULES)
		take_modules(&p);
	if (p.flags & HAS_MMAP)
		take_mmap(&p);
	if (!loader_info_has_ram(out) && (p.flags & HAS_MEMORY))
		take_memory_sizes(&p);
	take_screen(&p);
	return loader_info_has_ram(out) ? 0 : -ENODATA;
}
