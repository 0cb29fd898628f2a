/*
 * flood: numbered lines without end, as fast as the UART takes them. Has no exit status. Interrupts
 * are enabled, though none comes: with them off, and an exit at every byte, Bochs lets none in for
 * the hypervisor either.
 */
#include <stdio.h>
#include "apic.h"
#include "x86.h"

int main(void)
{
	pic_init(0xffff);
	irq_enable();
	for (unsigned int i = 0;; i++)
		printf("flood: line %u\n", i);
}
