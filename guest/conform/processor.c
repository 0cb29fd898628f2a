/* Whose processor this is. */
#include <string.h>
#include "conform.h"

#define VENDOR_AMD   0x68747541 /* Auth, of AuthenticAMD */
#define VENDOR_HYGON 0x6f677948

bool cpu_is_amd(void)
{
	uint32_t vendor = cpuid(0, 0).ebx;

	return vendor == VENDOR_AMD || vendor == VENDOR_HYGON;
}

/* QEMU's emulated processors say so in their name. */
bool cpu_is_qemu(void)
{
	struct cpuid c = cpuid(0x80000002, 0);

	return !memcmp(&c.eax, "QEMU", 4);
}
