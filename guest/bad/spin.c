/*
 * spin: loops with interrupts off and never exits by itself. Has no exit status: somebody else must
 * end the VM.
 */
#include <stdio.h>
#include "x86.h"

int main(void)
{
	printf("spin: interrupts off, looping\n");
	irq_disable();
	__asm__ volatile("1: jmp 1b");
	__builtin_unreachable();
}
