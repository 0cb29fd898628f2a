/*
 * A Linux kernel image (bzImage) as the Linux/x86 boot protocol describes it
 * (Documentation/arch/x86/boot.rst of Linux). Private to hv/load.
 */
#ifndef NEAP_HV_LOAD_LINUX_IMAGE_H
#define NEAP_HV_LOAD_LINUX_IMAGE_H

#include "hv/load/job.h"

/* Offsets of the setup header's fields, in the image and in the zero page alike. */
#define LINUX_SETUP_SECTS   0x1f1
#define LINUX_SYSSIZE	    0x1f4
#define LINUX_BOOT_FLAG	    0x1fe
#define LINUX_JUMP_LENGTH   0x201 /* second byte of a short jump over the header */
#define LINUX_MAGIC	    0x202
#define LINUX_VERSION	    0x206
#define LINUX_LOADER_TYPE   0x210
#define LINUX_LOADFLAGS	    0x211
#define LINUX_CODE32_START  0x214
#define LINUX_RAMDISK_IMAGE 0x218
#define LINUX_RAMDISK_SIZE  0x21c
#define LINUX_CMDLINE_PTR   0x228
#define LINUX_INITRD_MAX    0x22c
#define LINUX_ALIGNMENT	    0x230
#define LINUX_RELOCATABLE   0x234
#define LINUX_XLOADFLAGS    0x236
#define LINUX_CMDLINE_SIZE  0x238
#define LINUX_SETUP_DATA    0x250
#define LINUX_PREF_ADDRESS  0x258
#define LINUX_INIT_SIZE	    0x260

#define LINUX_HEADER_MIN 0x264 /* bytes of an image up to the last field read */
#define LINUX_HEADER_MAX 0x290 /* where the header's room in the zero page ends */

#define LINUX_MAGIC_VALUE     0x53726448 /* "HdrS" */
#define LINUX_BOOT_FLAG_VALUE 0xaa55
#define LINUX_VERSION_MIN     0x020c /* 2.12, the first with xloadflags */
#define LINUX_VERSION_RSDP    0x020e /* 2.14, the first with acpi_rsdp_addr */
#define LINUX_LOADED_HIGH     0x01   /* loadflags: a bzImage, not a zImage */
#define LINUX_KERNEL_64	      0x0001 /* xloadflags: 64-bit entry at 0x200 */
#define LINUX_SECTOR	      512
#define LINUX_PARAGRAPH	      16
#define LINUX_ENTRY_64	      0x200

struct linux_image {
	const u8 *header;   /* start of the image; the setup header lies at LINUX_SETUP_SECTS */
	u32 header_end;	    /* offset behind the setup header, at most LINUX_HEADER_MAX */
	const u8 *payload;  /* the protected-mode kernel */
	u64 payload_size;   /* bytes */
	u64 load;	    /* where it is to be loaded */
	u64 span;	    /* bytes it needs from there on, payload included */
	u64 initrd_end_max; /* an initrd ends at or below this address */
	u32 cmdline_max;    /* longest command line, without the terminating zero */
	u32 version;	    /* of the protocol */
};

/* True when the bytes have a Linux setup header, of whatever version, perhaps truncated. */
bool linux_is_image(const struct load_source *kernel);

/* Checks the image and finds its parts. -ENOEXEC (logged): damaged, or a kind not supported. */
int linux_image_parse(const struct load_job *job, struct linux_image *image) __must_check;

#endif
