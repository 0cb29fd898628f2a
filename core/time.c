#include "core/time.h"

#include "arch/x86/tsc.h"

u64 time_now(void)
{
	return tsc_read();
}

u64 time_hz(void)
{
	return tsc_hz();
}
