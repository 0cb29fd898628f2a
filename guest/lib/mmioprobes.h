/* Instructions that access memory, each with what it must do at an address nothing answers. */
#ifndef GUEST_MMIOPROBES_H
#define GUEST_MMIOPROBES_H

#include <stdbool.h>
#include <stdint.h>

struct mmio_probe {
	const char *name;
	unsigned int align; /* the address must be a multiple of this */
	/* Executes it at P. False on an exception, or if what it left is not what reads of V, all
	 * ones or all zeros, must give. */
	bool (*run)(volatile void *p, uint64_t v);
};

/* The probe behind PROBE, the first for NULL; NULL behind the last. */
const struct mmio_probe *mmio_probe_next(const struct mmio_probe *probe);

#endif
