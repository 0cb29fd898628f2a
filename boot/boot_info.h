/*
 * What the firmware and the boot loader told us, in one structure, whatever the way we were
 * started. Filled once by boot/ before hv_main(); read-only afterwards. Nothing later looks at the
 * loader's own structures.
 */
#ifndef NEAP_BOOT_BOOT_INFO_H
#define NEAP_BOOT_BOOT_INFO_H

#include "core/types.h"

#define BOOT_MAX_REGIONS 128
#define BOOT_MAX_MODULES 32
#define BOOT_CMDLINE_MAX 512
#define BOOT_NAME_MAX	 64

enum boot_region_type {
	BOOT_RAM,	   /* free for use once modules and ourselves are taken out */
	BOOT_RESERVED,	   /* anything that is not RAM or must be left alone */
	BOOT_ACPI_RECLAIM, /* RAM that holds ACPI tables; never handed out */
	BOOT_ACPI_NVS,
	BOOT_BAD,
};

struct boot_region {
	u64 base, size; /* bytes, host-physical */
	enum boot_region_type type;
};

struct boot_module {
	hpa_t base;
	u64 size;		  /* bytes */
	char name[BOOT_NAME_MAX]; /* first word of the module's string */
};

/* A linear frame buffer, or a text screen, or nothing (type NONE). */
struct boot_framebuffer {
	enum { BOOT_FB_NONE, BOOT_FB_TEXT, BOOT_FB_RGB } type;
	hpa_t base;
	u32 pitch;	   /* bytes per line */
	u32 width, height; /* pixels; characters for TEXT */
	u8 bpp;
	u8 red_pos, red_size, green_pos, green_size, blue_pos, blue_size;
};

struct boot_info {
	char loader[BOOT_NAME_MAX];
	char cmdline[BOOT_CMDLINE_MAX];
	unsigned region_count, module_count;
	struct boot_region region[BOOT_MAX_REGIONS];
	struct boot_module module[BOOT_MAX_MODULES];
	struct boot_framebuffer fb;
	hpa_t rsdp;	   /* 0: the loader gave none */
	hpa_t image_base;  /* where the hypervisor was put */
	u64 image_size;	   /* bytes, bss included */
	u64 entry_tsc;	   /* TSC at our first instruction */
	bool modules_lost; /* more than BOOT_MAX_MODULES were given */
};

extern struct boot_info boot_info;

/*
 * What boot/efi/ enters the hypervisor with, together with the address of a filled struct
 * boot_info. The size is in it so that two builds with different structures do not go on.
 */
#define BOOT_EFI_MAGIC (0x4e000000u | (u32)sizeof(struct boot_info))

/*
 * Copies what boot/efi/ filled to boot_info; the original need not stay. -EINVAL: counts or strings
 * go beyond their arrays; -ENODATA: no RAM in it; boot_info is left alone then. Boot CPU, once.
 */
int boot_info_take(const struct boot_info *from) __must_check;

/* Where boot_find_low_page() looks: above what BIOSes keep data in, below their extended area. */
#define BOOT_LOW_START 0x8000ull
#define BOOT_LOW_END   0x9f000ull

/*
 * A page of RAM below 640 KiB, for other processors' first instructions, with nothing of the
 * loader's in it: GRUB puts small modules there. 0: there is none.
 */
hpa_t boot_find_low_page(void) __must_check;

/* The module of that name, or NULL. */
const struct boot_module *boot_find_module(const char *name);

#endif
