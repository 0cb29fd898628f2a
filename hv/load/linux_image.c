#include "hv/load/linux_image.h"

#include <errno.h>

#include "core/bytes.h"

/* Protocol 2.12 has a command line limit; a header that says 0 means the one before it had. */
#define CMDLINE_SIZE_OLD 255
#define SETUP_SECTS_OLD	 4

_Static_assert(LINUX_HEADER_MIN <= LINUX_HEADER_MAX, "what is read is in the header");
_Static_assert(LINUX_HEADER_MAX <= 2 * LINUX_SECTOR,
	       "an image has a boot sector and a set-up sector");

bool linux_is_image(const struct load_source *kernel)
{
	const u8 *p = kernel->data;

	return kernel->size >= LINUX_VERSION && get_le32(p + LINUX_MAGIC) == LINUX_MAGIC_VALUE &&
	       get_le16(p + LINUX_BOOT_FLAG) == LINUX_BOOT_FLAG_VALUE;
}

/* The kind of kernel: everything Neap asks of one. */
static int check_kind(const struct load_job *job, const u8 *p)
{
	u16 version = get_le16(p + LINUX_VERSION);

	if (version < LINUX_VERSION_MIN) {
		load_error(job, "Linux boot protocol %u.%02u; expected 2.12 or newer", version >> 8,
			   version & 0xff);
		return -ENOEXEC;
	}
	if (!(p[LINUX_LOADFLAGS] & LINUX_LOADED_HIGH)) {
		load_error(job, "a Linux zImage; expected a bzImage");
		return -ENOEXEC;
	}
	if (!(get_le16(p + LINUX_XLOADFLAGS) & LINUX_KERNEL_64)) {
		load_error(job, "a 32-bit Linux kernel; expected one with a 64-bit entry point");
		return -ENOEXEC;
	}
	return 0;
}

static int find_payload(const struct load_job *job, struct linux_image *image)
{
	const u8 *p = image->header;
	u64 size = job->images->kernel.size;
	unsigned sects = p[LINUX_SETUP_SECTS] ? p[LINUX_SETUP_SECTS] : SETUP_SECTS_OLD;
	u64 start = (1 + sects) * (u64)LINUX_SECTOR;

	/* The header counts in paragraphs, so the last one need not be complete in the file. */
	image->payload_size = get_le32(p + LINUX_SYSSIZE) * (u64)LINUX_PARAGRAPH;
	if (size + LINUX_PARAGRAPH <= start + image->payload_size) {
		load_error(job, "truncated Linux image of %lu bytes; expected %lu",
			   (unsigned long)size, (unsigned long)(start + image->payload_size));
		return -ENOEXEC;
	}
	image->payload_size = MIN(image->payload_size, size - MIN(start, size));
	if (image->payload_size <= LINUX_ENTRY_64) {
		load_error(job, "damaged Linux image: %lu bytes of kernel; expected over %u",
			   (unsigned long)image->payload_size, LINUX_ENTRY_64);
		return -ENOEXEC;
	}
	image->payload = p + start;
	return 0;
}

/*
 * The kernel unpacks itself at its preferred address, or further up when it is loaded there; loaded
 * below, a relocatable one moves up to it. So with RAM in one piece from 1 MiB on there is only one
 * question, whether init_size bytes fit there; no other place would need less.
 */
static int find_address(const struct load_job *job, struct linux_image *image)
{
	const u8 *p = image->header;
	u64 load = MAX(get_le64(p + LINUX_PREF_ADDRESS), MIB);
	u32 align = get_le32(p + LINUX_ALIGNMENT);

	if (p[LINUX_RELOCATABLE]) {
		if (align == 0 || (align & (align - 1)) != 0) {
			load_error(job,
				   "damaged Linux image: alignment 0x%x; expected a power of 2",
				   align);
			return -ENOEXEC;
		}
		if (load < 4 * GIB)
			load = ALIGN_UP(load, align);
	}
	image->load = load;
	image->span = MAX(get_le32(p + LINUX_INIT_SIZE), image->payload_size);
	return 0;
}

int linux_image_parse(const struct load_job *job, struct linux_image *image)
{
	const u8 *p = job->images->kernel.data;
	u32 cmdline_max;
	int err;

	if (job->images->kernel.size < LINUX_HEADER_MIN) {
		load_error(job, "truncated Linux image of %lu bytes; expected at least %u",
			   (unsigned long)job->images->kernel.size, LINUX_HEADER_MIN);
		return -ENOEXEC;
	}
	image->header = p;
	err = check_kind(job, p);
	if (!err)
		err = find_payload(job, image);
	if (!err)
		err = find_address(job, image);
	if (err)
		return err;

	/* The jump at 0x200 lands behind the header: that is how its length is told. */
	image->header_end = LINUX_MAGIC + p[LINUX_JUMP_LENGTH];
	image->header_end = MIN(MAX(image->header_end, LINUX_HEADER_MIN), LINUX_HEADER_MAX);
	image->version = get_le16(p + LINUX_VERSION);
	image->initrd_end_max = get_le32(p + LINUX_INITRD_MAX) + 1ull;
	cmdline_max = get_le32(p + LINUX_CMDLINE_SIZE);
	image->cmdline_max = cmdline_max ? cmdline_max : CMDLINE_SIZE_OLD;
	return 0;
}
