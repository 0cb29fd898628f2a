/*
 * What newlib asks of its system. Only its string, number and formatting functions are used, which
 * allocate nothing; the allocator that comes along with the formatter is told that there is no
 * memory.
 */
#include <stddef.h>

void *sbrk(ptrdiff_t increment);

void *sbrk(ptrdiff_t increment)
{
	(void)increment;
	return (void *)-1;
}
