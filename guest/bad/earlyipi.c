/*
 * earlyipi: its first act is to send an NMI, an INIT and a start-up IPI to all other processors, on
 * a machine with so many that the last of them are not there yet. Exit status 0, at once.
 */
#include <string.h>
#include "apic.h"

#define EARLYIPI_TO_OTHERS 0xc0000
#define EARLYIPI_NMI	   0x4400
#define EARLYIPI_INIT	   0x4500
#define EARLYIPI_STARTUP   0x4608
#define EARLYIPI_CODE	   0x8000 /* where that one starts them */

int main(void)
{
	static const unsigned char halt[] = { 0xfa, 0xf4, 0xeb, 0xfd }; /* cli; 1: hlt; jmp 1b */

	memcpy((void *)EARLYIPI_CODE, halt, sizeof(halt));
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_NMI);
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_INIT);
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_STARTUP);
	return 0;
}
