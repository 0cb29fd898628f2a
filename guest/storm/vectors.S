/*
 * Without FXRSTOR: QEMU executes it with a write to the first processor's state, which is lost or does
 * damage there while that one enters or leaves a guest (docs/caveats.md). So handlers use no SSE;
 * guest/rules.mk sees to it.
 */
#define VECTORS_KEEP_FPU
#include "vectors.inc"
