/*
 * earlyipi: its first act is to send an NMI, an INIT and a start-up IPI to all other processors, on
 * a machine with so many that the last of them are not there yet. Exit status 0, at once.
 */
#include "apic.h"

#define EARLYIPI_TO_OTHERS 0xc0000
#define EARLYIPI_NMI	   0x4400
#define EARLYIPI_INIT	   0x4500
#define EARLYIPI_STARTUP   0x4608 /* code at 0x8000: zeros, which run into nothing good */

int main(void)
{
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_NMI);
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_INIT);
	apic_write(APIC_ICR, EARLYIPI_TO_OTHERS | EARLYIPI_STARTUP);
	return 0;
}
