/* Emulators that do something else than the manuals say, where Neap must get along with it. */
#ifndef NEAP_ARCH_X86_EMULATOR_H
#define NEAP_ARCH_X86_EMULATOR_H

#include "core/types.h"

/* Whether this is Bochs. After acpi_init(). docs/caveats.md lists what is done then, and why. */
bool emulator_is_bochs(void);

/* Whether the processor is QEMU's own emulation, and not KVM's in QEMU. */
bool emulator_is_tcg(void);

#endif
