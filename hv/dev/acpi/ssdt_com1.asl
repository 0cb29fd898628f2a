/* The first serial port: given to a guest only when it has one (hv/dev/uart.h). */
DefinitionBlock ("", "SSDT", 2, "NEAP  ", "NEAPCOM1", 1)
{
    Scope (\_SB)
    {
        Device (COM1)
        {
            Name (_HID, EisaId ("PNP0501"))
            Name (_UID, 1)
            Name (_CRS, ResourceTemplate ()
            {
                IO (Decode16, 0x03F8, 0x03F8, 1, 8)
                IRQNoFlags () { 4 }
            })
        }
    }
}
