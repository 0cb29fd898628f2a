/*
 * What of Neap's virtual PC a guest cannot find by itself: the legacy devices, and how to turn off.
 * Ports and interrupts are those of hv/dev/{pic,pit,port61,rtc,pm,reset}.c.
 */
DefinitionBlock ("", "DSDT", 2, "NEAP  ", "NEAPDSDT", 1)
{
    /* Soft off: SLP_TYP is PM_SLEEP_TYPE_S5 of hv/dev/pm.h. */
    Name (\_S5, Package () { 5, 5, 0, 0 })

    Scope (\_SB)
    {
        Device (PIC)
        {
            Name (_HID, EisaId ("PNP0000"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0020, 0x0020, 1, 2)
                IO (Decode16, 0x00A0, 0x00A0, 1, 2)
                IO (Decode16, 0x04D0, 0x04D0, 1, 2)
                IRQNoFlags () { 2 }
            })
        }

        Device (TIMR)
        {
            Name (_HID, EisaId ("PNP0100"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0040, 0x0040, 1, 4)
                IRQNoFlags () { 0 }
            })
        }

        Device (SPKR)
        {
            Name (_HID, EisaId ("PNP0800"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0061, 0x0061, 1, 1)
            })
        }

        Device (RTC)
        {
            Name (_HID, EisaId ("PNP0B00"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0070, 0x0070, 1, 2)
                IRQNoFlags () { 8 }
            })
        }

        /*
         * Ports of the board that belong to no device above. Not the reset register: it lies
         * inside PCI's configuration address, which is claimed as a whole where there is PCI.
         */
        Device (SYSR)
        {
            Name (_HID, EisaId ("PNP0C02"))
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x0092, 0x0092, 1, 1)
                IO (Decode16, 0x0600, 0x0600, 1, 0x0C)
                IO (Decode16, 0x0620, 0x0620, 1, 4)
            })
        }
    }
}
