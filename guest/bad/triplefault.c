/*
 * triplefault: loads an empty IDT and executes int3; #BP, #GP and #DF all find no gate.
 * Ends the VM by triple fault, with no exit status; 1 if it survives.
 */
#include <stdio.h>
#include "x86.h"

int main(void)
{
	printf("triplefault: now\n");
	idt_load(NULL, 0);
	__asm__ volatile("int3");
	printf("triplefault: survived\n");
	return 1;
}
