/* For all programs but those that have their own. */
#include "vectors.inc"
