#include "arch/x86/guest_live.h"

#include <errno.h>

#include "arch/x86/cpu.h"
#include "arch/x86/desc.h"
#include "mm/heap.h"

#define FPU_AREA_MIN  4096u
#define XCR0_SWITCHED 0xe7ull /* x87, SSE, AVX, AVX-512 */

/* The area starts as XRSTOR of an all-initial state: FCW and MXCSR as after reset (SDM vol.
 * 1 13.6). */
int guest_live_init(struct guest_live *l)
{
	u8 *area = heap_alloc(MAX(cpu_features.xsave_size, FPU_AREA_MIN));

	if (!area)
		return -ENOMEM;
	*(u16 *)area = 0x37f;
	*(u32 *)(area + 24) = 0x1f80;
	l->fpu = area;
	return 0;
}

void guest_live_fini(struct guest_live *l)
{
	heap_free(l->fpu);
	l->fpu = NULL;
}

/* All that the processor can hold is switched, whatever part of it the guest has enabled. */
static void set_host_xcr0(void)
{
	if (cpu_features.xsave)
		xsetbv(0, cpu_features.xcr0_mask & XCR0_SWITCHED);
}

static void load_debug(const struct guest_live *l)
{
	write_dr0(l->dr[0]);
	write_dr1(l->dr[1]);
	write_dr2(l->dr[2]);
	write_dr3(l->dr[3]);
}

void guest_live_reset(struct guest_live *l)
{
	for (unsigned i = 0; i < ARRAY_SIZE(l->dr); i++)
		l->dr[i] = 0;
	load_debug(l);
}

void guest_live_load(const struct guest_live *l, u64 xcr0)
{
	set_host_xcr0();
	if (cpu_features.xsave) {
		__asm__ volatile("xrstor64 (%0)" : : "r"(l->fpu), "a"(~0u), "d"(~0u) : "memory");
		xsetbv(0, xcr0 ? xcr0 : 1);
	} else {
		__asm__ volatile("fxrstor64 (%0)" : : "r"(l->fpu) : "memory");
	}
	load_debug(l);
}

void guest_live_save(struct guest_live *l)
{
	set_host_xcr0();
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(l->fpu), "a"(~0u), "d"(~0u) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(l->fpu) : "memory");
	l->dr[0] = read_dr0();
	l->dr[1] = read_dr1();
	l->dr[2] = read_dr2();
	l->dr[3] = read_dr3();
}

#define XMM_CASE(n)                                                                           \
	case n:                                                                               \
		if (write)                                                                    \
			__asm__ volatile("movdqu %0, %%xmm" #n : : "m"(*(u8(*)[16])value));   \
		else                                                                          \
			__asm__ volatile("movdqu %%xmm" #n ", %0" : "=m"(*(u8(*)[16])value)); \
		break

void guest_live_xmm(unsigned index, u8 value[16], bool write)
{
	switch (index) {
		XMM_CASE(0);
		XMM_CASE(1);
		XMM_CASE(2);
		XMM_CASE(3);
		XMM_CASE(4);
		XMM_CASE(5);
		XMM_CASE(6);
		XMM_CASE(7);
		XMM_CASE(8);
		XMM_CASE(9);
		XMM_CASE(10);
		XMM_CASE(11);
		XMM_CASE(12);
		XMM_CASE(13);
		XMM_CASE(14);
		XMM_CASE(15);
	default:
		break;
	}
}

void guest_live_isolate(void)
{
	static const u16 selector = SEL_DATA;

	if (cpu_features.ibpb)
		wrmsr(MSR_PRED_CMD, 1);
	if (cpu_features.flush_l1d)
		wrmsr(MSR_FLUSH_CMD, 1);
	if (cpu_features.md_clear)
		__asm__ volatile("verw %0" : : "m"(selector) : "cc");
}
