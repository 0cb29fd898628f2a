/* slots: the parts of the program have this in common. */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include "slots_call.h"

/* Each returns whether all went well, and has said so. */
bool slots_test_errors(void);
bool slots_test_changes(unsigned int changes, uint32_t magic, uint64_t seed);
bool slots_bench(void);

#endif
