#include "arch/x86/i8254.h"

#include "arch/x86/pio.h"

void i8254_start(unsigned counter, unsigned mode, u16 count)
{
	u16 port = (u16)(PIT_PORT_COUNTER + counter);

	outb(PIT_PORT_CONTROL, (u8)(counter << PIT_SELECT_SHIFT | PIT_RW_BOTH << PIT_RW_SHIFT |
				    mode << PIT_MODE_SHIFT));
	outb(port, (u8)count);
	outb(port, (u8)(count >> 8));
}
