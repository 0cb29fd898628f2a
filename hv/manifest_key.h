/* The keys of a [vm] section and their values. Private to hv/manifest*.c. */
#ifndef NEAP_HV_MANIFEST_KEY_H
#define NEAP_HV_MANIFEST_KEY_H

#include "hv/config.h"
#include "hv/manifest_span.h"

enum manifest_key {
	KEY_CPUS,
	KEY_MEMORY,
	KEY_KERNEL,
	KEY_INITRD,
	KEY_CMDLINE,
	KEY_MODULE,
	KEY_UART,
	KEY_DEBUG_EXIT,
	KEY_WEIGHT,
	KEY_PROCESSORS,
	KEY_TSC_HZ,
	KEY_REBOOTS,
	KEY_TEST_HYPERCALLS,
	KEY_HYPERV,
	KEY_VP_INDEX,
	KEY_POPULATE,
	KEY_PREFETCH,
	KEY_COUNT /* none of them */
};

/* All keys, for messages. */
#define MANIFEST_KEYS                                                                        \
	"cpus, memory, kernel, initrd, cmdline, module, uart, debug_exit, "                  \
	"weight, processors, tsc_hz, reboots, test_hypercalls, hyperv, vp_index, populate, " \
	"prefetch"

/* KEY_COUNT: there is no such key. */
enum manifest_key manifest_find_key(struct span name);

/* As it is written in the manifest; key < KEY_COUNT. */
const char *manifest_key_name(enum manifest_key key);

/*
 * Sets the key in vm from the text behind its equals sign. Returns NULL, or what was expected; then
 * *bad is the piece that is not, and vm is as before. Checks nothing across keys.
 */
const char *manifest_set_key(struct vm_config *vm, enum manifest_key key, struct span value,
			     struct span *bad) __must_check;

#endif
