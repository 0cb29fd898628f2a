#include "boot/multiboot2.h"

#include <errno.h>

#include "boot/loader_info.h"
#include "boot/regions.h"
#include "core/bytes.h"
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

static void take_module(struct walk *w, const struct tag *t)
{
	w->modules_seen++;
	if (t->n < 8)
		return;
	(void)loader_add_module(w->out, w->modules_seen, get_le32(t->p), get_le32(t->p + 4),
				t->p + 8, loader_word_length(t->p + 8, t->n - 8));
}

/* Entry size and version, then entries: base, length, type. */
static void take_mmap(struct walk *w, const struct tag *t)
{
	u32 size = t->n >= 8 ? get_le32(t->p) : 0;

	if (size < 20) {
		log_warn("boot: memory map with entries of %u bytes ignored", size);
		return;
	}
	for (u32 at = 8; t->n - at >= size; at += size)
		(void)boot_add_region(w->out, get_le64(t->p + at), get_le64(t->p + at + 8),
				      loader_region_type(get_le32(t->p + at + 16)));
}

/* Descriptor size and version, then EFI_MEMORY_DESCRIPTORs: type, start, virtual start, pages. */
static void use_efi_mmap(struct walk *w)
{
	const struct tag *t = &w->efi_mmap;
	u32 size = t->n >= 8 ? get_le32(t->p) : 0;

	if (size < 40) {
		log_warn("boot: EFI memory map with entries of %u bytes ignored", size);
		return;
	}
	for (u32 at = 8; t->n - at >= size; at += size)
		(void)boot_add_efi_region(w->out, get_le32(t->p + at), get_le64(t->p + at + 8),
					  get_le64(t->p + at + 24), w->boot_services);
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
	fb.base = HPA(get_le64(t->p));
	fb.pitch = get_le32(t->p + 8);
	fb.width = get_le32(t->p + 12);
	fb.height = get_le32(t->p + 16);
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
		loader_take_cmdline(w->out, t->p, t->n);
		break;
	case TAG_LOADER:
		(void)loader_copy_string(w->out->loader, BOOT_NAME_MAX, t->p, t->n);
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
		u32 size = get_le32(w->info + at + 4);
		struct tag t = { get_le32(w->info + at), size - TAG_HEADER,
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

static void use_rsdp(struct walk *w)
{
	const u8 *copy = w->rsdp_new ? w->rsdp_new : w->rsdp_old;

	if (!copy)
		return;
	w->out->rsdp = HPA(w->info_phys + (u64)(copy - w->info));
	(void)boot_add_region(w->out, w->info_phys, w->info_size, BOOT_RESERVED);
}

int multiboot2_parse(const void *info, size_t max, u64 info_phys, struct boot_info *out)
{
	struct walk w = { .out = out, .info = info, .info_phys = info_phys };
	int r;

	loader_info_clear(out);
	if (max < INFO_HEADER)
		return -EINVAL;
	w.info_size = get_le32(info);
	if (w.info_size < INFO_HEADER || w.info_size > max)
		return -EINVAL;
	r = walk_tags(&w);
	if (r < 0)
		return r;
	if (!loader_info_has_ram(out) && w.efi_mmap.p)
		use_efi_mmap(&w);
	if (!loader_info_has_ram(out))
		return -ENODATA;
	use_rsdp(&w);
	return 0;
}
