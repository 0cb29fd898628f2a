#include "hv/load/load.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/elf32.h"
#include "hv/load/job.h"
#include "hv/load/linux.h"
#include "hv/load/linux_image.h"
#include "hv/load/multiboot.h"

/* BIOS data area: what a kernel may look up there on a machine without BIOS calls. */
#define BDA_COM1    0x400 /* I/O port, 16 bits */
#define BDA_EBDA    0x40e /* segment of the extended data area, 16 bits */
#define BDA_LOW_KIB 0x413 /* RAM below the extended data area, 16 bits */
#define COM1_PORT   0x3f8
#define EXPECTED    "expected a Linux bzImage or a multiboot kernel"
#define MB2_MAGIC   0xe85250d6
#define MB2_SEARCH  32768
#define MB2_ALIGN   8

static const struct {
	const char *bytes;
	u8 n;
	const char *what;
} kinds[] = {
	{ "\x1f\x8b", 2, "gzip data (unpack it first)" },
	{ "\xfd"
	  "7zXZ\0",
	  6, "xz data (unpack it first)" },
	{ "BZh", 3, "bzip2 data (unpack it first)" },
	{ "\x28\xb5\x2f\xfd", 4, "zstd data (unpack it first)" },
	{ "07070", 5, "a cpio archive" },
	{ "MZ", 2, "an EFI or DOS program" },
	{ "#!", 2, "a script" },
};

int load_copy_failed(const struct load_job *job, const char *what, int err)
{
	load_error(job, "writing %s to the guest's memory failed (%d)", what, err);
	return err;
}

static bool is_multiboot2(const struct load_source *kernel)
{
	const u8 *p = kernel->data;

	for (u64 at = 0; at + 16 <= MIN(kernel->size, MB2_SEARCH); at += MB2_ALIGN) {
		if (get_le32(p + at) == MB2_MAGIC && get_le32(p + at) + get_le32(p + at + 4) +
								     get_le32(p + at + 8) +
								     get_le32(p + at + 12) ==
							     0)
			return true;
	}
	return false;
}

/* Says what the file is instead of a kernel. */
static int refuse(const struct load_job *job)
{
	const struct load_source *kernel = &job->images->kernel;
	const u8 *p = kernel->data;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kernel->size >= kinds[i].n && memcmp(p, kinds[i].bytes, kinds[i].n) == 0) {
			load_error(job, "%s; " EXPECTED, kinds[i].what);
			return -ENOEXEC;
		}
	}
	if (kernel->size < 4)
		load_error(job, "a file of %lu bytes; " EXPECTED, (unsigned long)kernel->size);
	else if (is_multiboot2(kernel))
		load_error(job, "a multiboot2 kernel; expected multiboot version 1");
	else if (elf_is_file(kernel))
		load_error(job, "a %s-bit ELF file without a multiboot header; " EXPECTED,
			   p[ELF_CLASS] == ELF_CLASS64 ? "64" : "32");
	else
		load_error(job, "not a kernel, it begins with %02x %02x %02x %02x; " EXPECTED, p[0],
			   p[1], p[2], p[3]);
	return -ENOEXEC;
}

static int write_bda(const struct load_job *job)
{
	const u16 com1 = job->cfg->uart ? COM1_PORT : 0;
	const u16 ebda = MEMMAP_EBDA_BASE >> 4, low = MEMMAP_EBDA_BASE / KIB;
	int err = guest_mem_write(job->vm, GPA(BDA_COM1), &com1, sizeof(com1));

	if (!err)
		err = guest_mem_write(job->vm, GPA(BDA_EBDA), &ebda, sizeof(ebda));
	if (!err)
		err = guest_mem_write(job->vm, GPA(BDA_LOW_KIB), &low, sizeof(low));
	return err ? load_copy_failed(job, "the BIOS data area", err) : 0;
}

static bool modules_match(const struct load_job *job)
{
	return job->images->module_count == job->cfg->module_count &&
	       job->images->module_count <= VM_MODULE_MAX;
}

int load_guest(struct vm *vm, const struct vm_config *cfg, const struct load_images *images,
	       const struct guest_memmap *map, struct start_state *out)
{
	struct load_job job = { .vm = vm, .cfg = cfg, .images = images, .map = map };
	struct multiboot_header header;
	int err;

	place_init(&job.place, map);
	if (!modules_match(&job)) {
		load_error(&job, "%u modules at hand; expected %u", images->module_count,
			   cfg->module_count);
		return -EINVAL;
	}
	err = write_bda(&job);
	if (err)
		return err;
	if (linux_is_image(&images->kernel))
		return linux_load(&job, out);
	if (multiboot_find_header(&images->kernel, &header))
		return multiboot_load(&job, &header, out);
	return refuse(&job);
}
