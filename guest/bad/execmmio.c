/*
 * execmmio: jumps to an address that neither RAM nor a device answers, 0xd0000000 or
 * the one given as argument. All ones are no instruction, so the guest should see #UD (status 102)
 * or be stopped by the hypervisor, with no exit status.
 */
#include <stdio.h>
#include <stdlib.h>
#include "multiboot.h"
#include "x86.h"

#define EXECMMIO_DEFAULT 0xd0000000ull

int main(int argc, char **argv)
{
	uint64_t target = argc > 1 ? strtoull(argv[1], NULL, 0) : EXECMMIO_DEFAULT;

	if (target < multiboot_ram_end(1ull << 32)) {
		printf("execmmio: %#lx is RAM\n", target);
		return 1;
	}
	printf("execmmio: jumping to %#lx\n", target);
	__asm__ volatile("jmp *%0" : : "r"(target) : "memory");
	__builtin_unreachable();
}
