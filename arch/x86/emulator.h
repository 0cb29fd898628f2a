/* Emulators that do something else than the manuals say, where Neap must get along with it. */
#ifndef NEAP_ARCH_X86_EMULATOR_H
#define NEAP_ARCH_X86_EMULATOR_H

#include "core/types.h"

/* Whether this is Bochs. After acpi_init(). docs/caveats.md lists what is done then, and why. */
bool emulator_is_bochs(void);

/* Whether QEMU interprets: its TCG, not KVM or another accelerator. Any time. */
bool emulator_is_tcg(void);

#endif
