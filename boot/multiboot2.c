#include "boot/multiboot2.h"

#include <errno.h>
#include <string.h>

#include "boot/regions.h"
#include "core/log.h"

#define INFO_HEADER 8
#define TAG_HEADER  8
#define TAG_ALIGN   8

enum tag_type {
	TAG_END = 0,
	TAG_CMDLINE = 1,
	TAG_LOADER = 2,
	TAG_MODULE = 3,
	TAG_MMAP = 6,
	TAG_FRAMEBUFFER = 8,
	TAG_RSDP_OLD = 14,
	TAG_RSDP_NEW = 15,
	TAG_EFI_MMAP = 17,
	TAG_EFI_BOOT_SERVICES = 18,
};

/* Memory map entry types (3.6.8). */
enum { MMAP_RAM = 1, MMAP_ACPI_RECLAIM = 3, MMAP_NVS = 4, MMAP_BAD = 5 };

/* A tag's contents: n bytes, all of them inside of the block. */
struct tag {
	u32 type;
	u32 n;
	const u8 *p;
};

/* What we have to remember over the walk. */
struct walk {
	struct boot_info *out;
	const u8 *info;
	u64 info_phys;
	u32 info_size;
	const u8 *rsdp_old, *rsdp_new;
	struct tag efi_mmap;
	bool boot_services;
	unsigned modules_seen;
};

static u32 get32(const u8 *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static u64 get64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Copies a string that ends with the tag at the latest. False: cut. */
static bool copy_string(char *to, size_t room, const u8 *from, size_t n)
{
	size_t len = strnlen((const char *)from, n);
	bool fits = len < room;

	len = MIN(len, room - 1);
	memcpy(to, from, len);
	to[len] = '\0';
	return fits;
}

static void take_cmdline(struct walk *w, const struct tag *t)
{
	if (!copy_string(w->out->cmdline, BOOT_CMDLINE_MAX, t->p, t->n))
		log_warn("boot: command line cut to %u bytes", BOOT_CMDLINE_MAX - 1);
}

static void take_loader(struct walk *w, const struct tag *t)
{
	(void)copy_string(w->out->loader, BOOT_NAME_MAX, t->p, t->n);
}

static size_t word_length(const u8 *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len] && s[len] != ' ' && s[len] != '\t')
		len++;
	return len;
}

static void take_module(struct walk *w, const struct tag *t)
{
	struct boot_info *out = w->out;
	struct boot_module *m = &out->module[out->module_count];
	u32 start, end;

	w->modules_seen++;
	if (t->n < 8)
		return;
	start = get32(t->p);
	end = get32(t->p + 4);
	if (end < start) {
		log_warn("boot: module %u ends before it starts, ignored", w->modules_seen);
		return;
	}
	if (out->module_count == BOOT_MAX_MODULES) {
		if (!out->modules_lost)
			log_warn("boot: more than %u modules, the rest ignored", BOOT_MAX_MODULES);
		out->modules_lost = true;
		return;
	}
	m->base = HPA(start);
	m->size = end - start;
	if (!copy_string(m->name, BOOT_NAME_MAX, t->p + 8, word_length(t->p + 8, t->n - 8)))
		log_warn("boot: name of module %u cut: %s", w->modules_seen, m->name);
	if (!m->name[0])
		log_warn("boot: module %u has no name", w->modules_seen);
	out->module_count++;
}

static enum boot_region_type mmap_type(u32 type)
{
	switch (type) {
	case MMAP_RAM:
		return BOOT_RAM;
	case MMAP_ACPI_RECLAIM:
		return BOOT_ACPI_RECLAIM;
	case MMAP_NVS:
		return BOOT_ACPI_NVS;
	case MMAP_BAD:
		return BOOT_BAD;
	default:
		return BOOT_RESERVED;
	}
}

/* Entry size and version, then entries: base, length, type. */
static void take_mmap(struct walk *w, const struct tag *t)
{
	u32 size = t->n >= 8 ? get32(t->p) : 0;

	if (size < 20) {
		log_warn("boot: memory map with entries of %u bytes ignored", size);
		return;
	}
	for (u32 at = 8; t->n - at >= size; at += size)
		(void)boot_add_region(w->out, get64(t->p + at), get64(t->p + at + 8),
				      mmap_type(get32(t->p + at + 16)));
}

/* Descriptor size and version, then EFI_MEMORY_DESCRIPTORs: type, start, virtual start, pages. */
static void use_efi_mmap(struct walk *w)
{
	const struct tag *t = &w->efi_mmap;
	u32 size = t->n >= 8 ? get32(t->p) : 0;

	if (size < 40) {
		log_warn("boot: EFI memory map with entries of %u bytes ignored", size);
		return;
	}
	for (u32 at = 8; t->n - at >= size; at += size)
		(void)boot_add_efi_region(w->out, get32(t->p + at), get64(t->p + at + 8),
					  get64(t->p + at + 24), w->boot_services);
}

static bool fb_is_sound(const struct boot_framebuffer *fb)
{
	u64 line = fb->type == BOOT_FB_TEXT ? fb->width * 2ull
					    : fb->width * DIV_ROUND_UP(fb->bpp, 8ull);

	return fb->base.v && fb->width && fb->height && fb->width <= 16384 && fb->height <= 16384 &&
	       line <= fb->pitch && fb->pitch <= 16384 * 16 &&
	       fb->base.v <= BIT(52) - (u64)fb->pitch * fb->height;
}

/* Address, pitch, width, height, bpp, type; for RGB at 24 position and size of each colour. */
static void take_framebuffer(struct walk *w, const struct tag *t)
{
	struct boot_framebuffer fb = { .type = BOOT_FB_NONE };

	if (t->n < 24)
		return;
	fb.base = HPA(get64(t->p));
	fb.pitch = get32(t->p + 8);
	fb.width = get32(t->p + 12);
	fb.height = get32(t->p + 16);
	fb.bpp = t->p[20];
	if (t->p[21] == 2) {
		fb.type = BOOT_FB_TEXT;
	} else if (t->p[21] == 1 && t->n >= 30) {
		fb.type = BOOT_FB_RGB;
		fb.red_pos = t->p[24];
		fb.red_size = t->p[25];
		fb.green_pos = t->p[26];
		fb.green_size = t->p[27];
		fb.blue_pos = t->p[28];
		fb.blue_size = t->p[29];
	}
	if (fb.type != BOOT_FB_NONE && fb_is_sound(&fb))
		w->out->fb = fb;
	else
		log_warn("boot: frame buffer of type %u, %ux%u, ignored", t->p[21], fb.width,
			 fb.height);
}

static void take_tag(struct walk *w, const struct tag *t)
{
	switch (t->type) {
	case TAG_CMDLINE:
		take_cmdline(w, t);
		break;
	case TAG_LOADER:
		take_loader(w, t);
		break;
	case TAG_MODULE:
		take_module(w, t);
		break;
	case TAG_MMAP:
		take_mmap(w, t);
		break;
	case TAG_FRAMEBUFFER:
		take_framebuffer(w, t);
		break;
	case TAG_RSDP_OLD:
		w->rsdp_old = t->n >= 20 ? t->p : NULL;
		break;
	case TAG_RSDP_NEW:
		w->rsdp_new = t->n >= 36 ? t->p : NULL;
		break;
	case TAG_EFI_MMAP:
		w->efi_mmap = *t;
		break;
	case TAG_EFI_BOOT_SERVICES:
		w->boot_services = true;
		break;
	}
}

/* 3.6.2: each tag has type and size, itself included, and starts on a multiple of 8. */
static int walk_tags(struct walk *w)
{
	u32 at = INFO_HEADER;

	while (w->info_size - at >= TAG_HEADER) {
		u32 size = get32(w->info + at + 4);
		struct tag t = { get32(w->info + at), size - TAG_HEADER,
				 w->info + at + TAG_HEADER };

		if (size < TAG_HEADER || size > w->info_size - at)
			return -EINVAL;
		if (t.type == TAG_END)
			return 0;
		take_tag(w, &t);
		if (w->info_size - at < ALIGN_UP((u64)size, TAG_ALIGN))
			return -EINVAL;
		at += ALIGN_UP(size, TAG_ALIGN);
	}
	return -EINVAL;
}

static bool has_ram(const struct boot_info *info)
{
	for (unsigned i = 0; i < info->region_count; i++) {
		if (info->region[i].type == BOOT_RAM)
			return true;
	}
	return false;
}

static void use_rsdp(struct walk *w)
{
	const u8 *copy = w->rsdp_new ? w->rsdp_new : w->rsdp_old;

	if (!copy)
		return;
	w->out->rsdp = HPA(w->info_phys + (u64)(copy - w->info));
	(void)boot_add_region(w->out, w->info_phys, w->info_size, BOOT_RESERVED);
}

static void clear(struct boot_info *out)
{
	hpa_t image_base = out->image_base;
	u64 image_size = out->image_size, entry_tsc = out->entry_tsc;

	memset(out, 0, sizeof(*out));
	out->image_base = image_base;
	out->image_size = image_size;
	out->entry_tsc = entry_tsc;
}

int multiboot2_parse(const void *info, size_t max, u64 info_phys, struct boot_info *out)
{
	struct walk w = { .out = out, .info = info, .info_phys = info_phys };
	int r;

	clear(out);
	if (max < INFO_HEADER)
		return -EINVAL;
	w.info_size = get32(info);
	if (w.info_size < INFO_HEADER || w.info_size > max)
		return -EINVAL;
	r = walk_tags(&w);
	if (r < 0)
		return r;
	if (!has_ram(out) && w.efi_mmap.p)
		use_efi_mmap(&w);
	if (!has_ram(out))
		return -ENODATA;
	use_rsdp(&w);
	return 0;
}
