#include "hv/load/linux.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "hv/load/initrd.h"
#include "hv/load/linux_image.h"
#include "hv/load/tables.h"
#include "mm/heap.h"

#define LOW_TABLES_END (LINUX_PAGING_AT + START_PAGING_SIZE)

_Static_assert(LINUX_CMDLINE_AT + VM_CMDLINE_MAX <= LINUX_PAGING_AT, "the command line fits");
_Static_assert(LOW_TABLES_END <= MEMMAP_EBDA_BASE, "the tables are in RAM");
_Static_assert(LINUX_ZP_E820 + MEMMAP_ENTRY_MAX * LINUX_ZP_E820_ENTRY <= PAGE_SIZE, "E820 fits");
_Static_assert(MEMMAP_LOW_MAX <= 4 * GIB, "an initrd below it has a 32-bit address");

static int check_config(const struct load_job *job, const struct linux_image *image)
{
	size_t length = strlen(job->cfg->cmdline);

	if (job->images->module_count > 0) {
		load_error(job, "Linux takes no modules, %u given; expected initrd = NAME at most",
			   job->images->module_count);
		return -EINVAL;
	}
	if (length > image->cmdline_max) {
		load_error(job, "the command line has %lu bytes; expected at most %u",
			   (unsigned long)length, image->cmdline_max);
		return -E2BIG;
	}
	return 0;
}

static int load_kernel(struct load_job *job, const struct linux_image *image)
{
	int err = -EFAULT;

	/* Within the RAM below 4 GiB: the start-up page tables map no more. */
	if (image->load < job->map->low_end)
		err = place_claim(&job->place, image->load, image->span);
	if (err) {
		load_error(
			job,
			"needs %lu KiB at 0x%lx; the VM has %lu KiB free from 1 MiB on "
			"(memory = %lu KiB)",
			(unsigned long)DIV_ROUND_UP(image->span, KIB), (unsigned long)image->load,
			(unsigned long)(place_largest(&job->place, MIB, job->map->low_end) / KIB),
			(unsigned long)(job->cfg->memory / KIB));
		return -ENOSPC;
	}
	err = guest_mem_write(job->vm, GPA(image->load), image->payload, image->payload_size);
	return err ? load_copy_failed(job, "the kernel", err) : 0;
}

/* As high as it may be: low memory is what the kernel itself is short of. */
static int load_initrd(struct load_job *job, const struct linux_image *image, gpa_t *at)
{
	const struct load_source *src = &job->images->initrd;
	u64 max = MIN(image->initrd_end_max, job->map->low_end);
	int err;

	*at = GPA(0);
	if (!src->data)
		return 0;
	err = initrd_check(job, src);
	if (err)
		return err;
	err = place_high(&job->place, src->size, PAGE_SIZE, MIB, max, at);
	if (err) {
		load_source_error(job, "initrd", src,
				  "needs %lu KiB below 0x%lx; the VM has %lu KiB free there "
				  "(memory = %lu KiB)",
				  (unsigned long)DIV_ROUND_UP(src->size, KIB), (unsigned long)max,
				  (unsigned long)(place_largest(&job->place, MIB, max) / KIB),
				  (unsigned long)(job->cfg->memory / KIB));
		return -ENOSPC;
	}
	err = guest_mem_write(job->vm, *at, src->data, src->size);
	return err ? load_copy_failed(job, "the initrd", err) : 0;
}

static void fill_e820(u8 *zero_page, const struct guest_memmap *map)
{
	u8 *p = zero_page + LINUX_ZP_E820;

	for (unsigned i = 0; i < map->count; i++, p += LINUX_ZP_E820_ENTRY) {
		put_le64(p, map->entry[i].base);
		put_le64(p + 8, map->entry[i].size);
		put_le32(p + 16, map->entry[i].type);
	}
	zero_page[LINUX_ZP_E820_COUNT] = (u8)map->count;
}

/* All that is not set here is zero: no screen, no EDD, no set-up data, no 64-bit extensions. */
static void fill_zero_page(u8 *zp, const struct load_job *job, const struct linux_image *image,
			   gpa_t initrd)
{
	memcpy(zp + LINUX_SETUP_SECTS, image->header + LINUX_SETUP_SECTS,
	       image->header_end - LINUX_SETUP_SECTS);
	zp[LINUX_LOADER_TYPE] = LINUX_ZP_LOADER_OTHER;
	put_le32(zp + LINUX_CODE32_START, (u32)image->load);
	put_le32(zp + LINUX_RAMDISK_IMAGE, (u32)initrd.v);
	put_le32(zp + LINUX_RAMDISK_SIZE, initrd.v ? (u32)job->images->initrd.size : 0);
	put_le32(zp + LINUX_CMDLINE_PTR, LINUX_CMDLINE_AT);
	put_le64(zp + LINUX_SETUP_DATA, 0);
	/* Before 2.14 these bytes are unused and shall be zero. */
	if (image->version >= LINUX_VERSION_RSDP)
		put_le64(zp + LINUX_ZP_RSDP, job->map->rsdp.v);
	fill_e820(zp, job->map);
}

static int write_tables(const struct load_job *job, const struct linux_image *image, gpa_t initrd)
{
	u8 gdt[START_GDT_SIZE];
	u8 *zp = heap_alloc(PAGE_SIZE);
	int err;

	if (!zp) {
		load_error(job, "no memory for the zero page");
		return -ENOMEM;
	}
	fill_zero_page(zp, job, image, initrd);
	start_gdt_fill(gdt, START_LONG64);
	err = guest_mem_write(job->vm, GPA(LINUX_ZERO_PAGE_AT), zp, PAGE_SIZE);
	if (!err)
		err = guest_mem_write(job->vm, GPA(LINUX_GDT_AT), gdt, sizeof(gdt));
	if (!err)
		err = guest_mem_write(job->vm, GPA(LINUX_CMDLINE_AT), job->cfg->cmdline,
				      strlen(job->cfg->cmdline) + 1);
	if (!err)
		err = start_paging_write(job->vm, GPA(LINUX_PAGING_AT));
	heap_free(zp);
	return err ? load_copy_failed(job, "the start-up tables", err) : 0;
}

int linux_load(struct load_job *job, struct start_state *out)
{
	struct linux_image image;
	gpa_t initrd;
	int err;

	err = linux_image_parse(job, &image);
	if (!err)
		err = check_config(job, &image);
	if (!err)
		err = load_kernel(job, &image);
	if (!err)
		err = load_initrd(job, &image, &initrd);
	if (!err)
		err = write_tables(job, &image, initrd);
	if (err)
		return err;

	*out = (struct start_state){
		.mode = START_LONG64,
		.rip = image.load + LINUX_ENTRY_64,
		.cr3 = LINUX_PAGING_AT,
		.gdt_base = LINUX_GDT_AT,
		.gdt_limit = START_GDT_SIZE - 1,
	};
	out->regs.r[REG_RSI] = LINUX_ZERO_PAGE_AT;
	return 0;
}
