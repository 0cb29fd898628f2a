#include "hv/load/tables.h"

#include <errno.h>

#include "hv/guest_mem.h"
#include "core/bytes.h"
#include "mm/heap.h"

/* Segment descriptors, flat, present, accessed, ring 0 (SDM vol. 3 3.4.5). */
#define SEG_CODE32 0x00cf9b000000ffffull
#define SEG_CODE64 0x00af9b000000ffffull
#define SEG_DATA   0x00cf93000000ffffull

/* Page-table entry bits (SDM vol. 3 4.5). */
#define PTE_PRESENT BIT(0)
#define PTE_WRITE   BIT(1)
#define PTE_LARGE   BIT(7)

#define ENTRIES	    512
#define DIRECTORIES 4
#define LARGE_PAGE  (2 * MIB)

_Static_assert(START_CS + 8 <= START_GDT_SIZE && START_DS + 8 <= START_GDT_SIZE, "GDT too small");
_Static_assert(DIRECTORIES *ENTRIES *LARGE_PAGE == 4 * GIB, "the tables map 4 GiB");
_Static_assert(START_PAGING_SIZE == (2 + DIRECTORIES) * PAGE_SIZE, "one page for each table");

void start_gdt_fill(u8 gdt[START_GDT_SIZE], enum start_mode mode)
{
	memset(gdt, 0, START_GDT_SIZE);
	put_le64(gdt + START_CS, mode == START_LONG64 ? SEG_CODE64 : SEG_CODE32);
	put_le64(gdt + START_DS, SEG_DATA);
}

/* Writes one table of `used` entries, the first with value `first`, each next one `step` more. */
static int write_table(struct vm *vm, u8 *page, u64 gpa, unsigned used, u64 first, u64 step)
{
	memset(page, 0, PAGE_SIZE);
	for (unsigned i = 0; i < used; i++)
		put_le64(page + 8 * i, first + i * step);
	return guest_mem_write(vm, GPA(gpa), page, PAGE_SIZE);
}

int start_paging_write(struct vm *vm, gpa_t gpa)
{
	const u64 table = PTE_PRESENT | PTE_WRITE, leaf = table | PTE_LARGE;
	u64 pdpt = gpa.v + PAGE_SIZE, pd = pdpt + PAGE_SIZE;
	u8 *page = heap_alloc(PAGE_SIZE);
	int err;

	if (!page)
		return -ENOMEM;
	err = write_table(vm, page, gpa.v, 1, pdpt | table, 0);
	if (!err)
		err = write_table(vm, page, pdpt, DIRECTORIES, pd | table, PAGE_SIZE);
	for (unsigned i = 0; i < DIRECTORIES && !err; i++)
		err = write_table(vm, page, pd + i * PAGE_SIZE, ENTRIES, i * GIB | leaf,
				  LARGE_PAGE);
	heap_free(page);
	return err;
}
