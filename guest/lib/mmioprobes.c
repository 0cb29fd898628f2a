#include <stddef.h>
#include <string.h>
#include "mmioprobes.h"
#include "trap.h"
#include "x86.h"

static uint8_t mmio_buffer[32] __attribute__((aligned(16)));

/* Registers and flags before and after the instruction. */
struct mmio_regs {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi;
	uint8_t cf, zf;
};

static struct mmio_regs mmio_regs_init(volatile void *p, uint64_t v)
{
	memset(mmio_buffer, 0x33, sizeof(mmio_buffer));
	return (struct mmio_regs){ .rax = v,
				   .rbx = 1,
				   .rcx = 2,
				   .rdx = v,
				   .rsi = (uintptr_t)mmio_buffer,
				   .rdi = (uintptr_t)p };
}

/* Whether the first N bytes of the buffer are V's and the next one is untouched. */
static bool mmio_buffer_is(uint64_t v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (mmio_buffer[i] != (uint8_t)v)
			return false;
	return mmio_buffer[n] == 0x33;
}

/*
 * Defines a probe for addresses that are multiples of ALIGNMENT. Before INSNS rdi is the
 * address, rsi the buffer, rax and rdx are V, rbx is 1, rcx is 2; SETUP may change r. Behind them
 * GOOD must hold.
 */
#define PROBE_AT(id, alignment, setup, insns, good)                                           \
	static bool mmio_##id(volatile void *p, uint64_t v)                                   \
	{                                                                                     \
		struct mmio_regs r = mmio_regs_init(p, v);                                    \
		unsigned int traps = trap_last.count;                                         \
		setup;                                                                        \
		__asm__ volatile(TRAP_SKIP(insns) "setc %[cf]\n\tsetz %[zf]\n\tcld"           \
				 : "+a"(r.rax), "+b"(r.rbx), "+c"(r.rcx), "+d"(r.rdx),        \
				   "+S"(r.rsi), "+D"(r.rdi), [cf] "=m"(r.cf), [zf] "=m"(r.zf) \
				 :                                                            \
				 : "memory", "cc", "xmm0");                                   \
		return trap_last.count == traps && (good);                                    \
	}                                                                                     \
	static const struct mmio_probe mmio_probe_##id                                        \
		__attribute__((section("mmio_probes"), used, aligned(8))) = { #id, alignment, \
									      mmio_##id };
#define PROBE(id, setup, insns, good) PROBE_AT(id, 1, setup, insns, good)

/* Loads: rax starts as the opposite of what must come. */
#define LOAD(id, insns, expected) PROBE(id, r.rax = ~v, insns, r.rax == (uint64_t)(expected))
/* Stores and read-modify-writes of which only the survival shows. */
#define STORE(id, insns) PROBE(id, (void)0, insns, true)
/* SETUP of a string instruction that reads the address and writes the buffer. */
#define FROM (r.rsi = (uintptr_t)p, r.rdi = (uintptr_t)mmio_buffer)

LOAD(mov8, "movb (%%rdi), %%al", (~v & ~0xffull) | (v & 0xff))
LOAD(mov16, "movw (%%rdi), %%ax", (~v & ~0xffffull) | (v & 0xffff))
LOAD(mov32, "movl (%%rdi), %%eax", (uint32_t)v)
LOAD(mov64, "movq (%%rdi), %%rax", v)
LOAD(movzx8, "movzbl (%%rdi), %%eax", (uint8_t)v)
LOAD(movzx16, "movzwl (%%rdi), %%eax", (uint16_t)v)
LOAD(movsx8, "movsbq (%%rdi), %%rax", v)
LOAD(movsx16, "movswl (%%rdi), %%eax", (uint32_t)v)
LOAD(movsxd, "movslq (%%rdi), %%rax", v)
LOAD(mov_high, "movb (%%rdi), %%ah", (~v & ~0xff00ull) | (v & 0xff00))
LOAD(mov_sib, "movl -8(%%rdi,%%rcx,4), %%eax", (uint32_t)v)
LOAD(lods8, "xchg %%rsi, %%rdi; lodsb", (~v & ~0xffull) | (v & 0xff))
LOAD(push, "pushq (%%rdi); pop %%rax", v)

STORE(store8, "movb %%al, (%%rdi)")
STORE(store_high, "movb %%ah, (%%rdi)")
STORE(store16, "movw %%ax, (%%rdi)")
STORE(store32, "movl %%eax, (%%rdi)")
STORE(store64, "movq %%rax, (%%rdi)")
STORE(store_imm16, "movw $0x1234, (%%rdi)")
STORE(store_imm64, "movq $-2, (%%rdi)")
STORE(movnti, "movnti %%rax, (%%rdi)")
STORE(setcc, "setc (%%rdi)")
STORE(pop, "popq (%%rdi); lea -8(%%rsp), %%rsp")

PROBE(movs8_from, FROM, "rep movsb", !r.rcx && mmio_buffer_is(v, 2))
PROBE(movs32_from, FROM, "rep movsl", !r.rcx && mmio_buffer_is(v, 8))
PROBE(movs64_from, FROM, "rep movsq", !r.rcx && mmio_buffer_is(v, 16) && r.rsi == (uintptr_t)p + 16)
PROBE(movs_back, (FROM, r.rsi += 8, r.rdi += 8), "std; rep movsq",
      !r.rcx && mmio_buffer_is(v, 16) && r.rsi == (uintptr_t)p - 8)
PROBE(movs16_to, (void)0, "rep movsw", !r.rcx && r.rdi == (uintptr_t)p + 4)
PROBE(movs_both, r.rsi = (uintptr_t)p, "rep movsb", !r.rcx && r.rdi == (uintptr_t)p + 2)
PROBE(stos8, (void)0, "rep stosb", !r.rcx && r.rdi == (uintptr_t)p + 2)
PROBE(stos64, (void)0, "rep stosq", !r.rcx && r.rdi == (uintptr_t)p + 16)
PROBE(scas, (void)0, "repe scasb", !r.rcx && r.zf)
PROBE(cmps, (void)0, "repe cmpsb", r.rcx == 1 && !r.zf)

PROBE(add32, (void)0, "addl $1, (%%rdi)", r.cf == (v != 0) && r.zf == (v != 0))
PROBE(adc64, (void)0, "stc; adcq $0, (%%rdi)", r.cf == (v != 0) && r.zf == (v != 0))
PROBE(sub16, (void)0, "subw $1, (%%rdi)", r.cf == (v == 0) && !r.zf)
PROBE(or8, (void)0, "orb $0, (%%rdi)", !r.cf && r.zf == (v == 0))
PROBE(and64, (void)0, "andq %%rbx, (%%rdi)", r.zf == (v == 0))
PROBE(xor32, (void)0, "xorl %%eax, (%%rdi)", r.zf)
PROBE(inc64, (void)0, "incq (%%rdi)", r.zf == (v != 0))
PROBE(dec8, (void)0, "decb (%%rdi)", !r.zf)
PROBE(neg32, (void)0, "negl (%%rdi)", r.cf == (v != 0))
STORE(not64, "notq (%%rdi)")
PROBE(shl32, (void)0, "shll $1, (%%rdi)", r.cf == (v != 0))
PROBE(cmp_imm, (void)0, "cmpl $-1, (%%rdi)", r.zf == (v != 0))
PROBE(cmp_reg, (void)0, "cmpq %%rax, (%%rdi)", r.zf)
PROBE(test8, (void)0, "testb $0x80, (%%rdi)", r.zf == (v == 0))
PROBE(add_load, r.rax = 1, "addq (%%rdi), %%rax", r.rax == 1 + v && r.cf == (v != 0))
PROBE(imul, r.rax = 3, "imull (%%rdi), %%eax", r.rax == (uint32_t)(3 * v))
PROBE(bt, (void)0, "btl $7, (%%rdi)", r.cf == (v != 0))
PROBE(bts, (void)0, "lock btsl $7, (%%rdi)", r.cf == (v != 0))
PROBE(xchg8, r.rax = 0x55, "xchgb %%al, (%%rdi)", r.rax == (uint8_t)v)
PROBE(xchg64, r.rax = 0x55, "xchgq %%rax, (%%rdi)", r.rax == v)
PROBE(xadd, r.rax = 1, "lock xaddl %%eax, (%%rdi)", r.rax == (uint32_t)v && r.cf == (v != 0))
PROBE(cmpxchg, (void)0, "lock cmpxchgl %%ebx, (%%rdi)", r.zf)
PROBE(cmpxchg_differs, r.rax = 0x55, "cmpxchgq %%rbx, (%%rdi)", !r.zf && r.rax == v)
PROBE(cmpxchg8b, (void)0, "lock cmpxchg8b (%%rdi)", r.zf)
PROBE_AT(cmpxchg16b, 16, r.rax = 0x55, "lock cmpxchg16b (%%rdi)", !r.zf && r.rax == v && r.rdx == v)
PROBE(movups_from, (void)0, "movups (%%rdi), %%xmm0; movups %%xmm0, (%%rsi)", mmio_buffer_is(v, 16))
PROBE_AT(movdqa_from, 16, (void)0, "movdqa (%%rdi), %%xmm0; movups %%xmm0, (%%rsi)",
	 mmio_buffer_is(v, 16))
PROBE(movq_from, (void)0, "movq (%%rdi), %%xmm0; movq %%xmm0, (%%rsi)", mmio_buffer_is(v, 8))
PROBE(movd_from, (void)0, "movd (%%rdi), %%xmm0; movd %%xmm0, (%%rsi)", mmio_buffer_is(v, 4))
STORE(movups_to, "movups (%%rsi), %%xmm0; movups %%xmm0, (%%rdi)")
PROBE_AT(movdqa_to, 16, (void)0, "movdqa (%%rsi), %%xmm0; movdqa %%xmm0, (%%rdi)", true)

extern const struct mmio_probe __start_mmio_probes[], __stop_mmio_probes[]; /* from the linker */

const struct mmio_probe *mmio_probe_next(const struct mmio_probe *probe)
{
	probe = probe ? probe + 1 : __start_mmio_probes;
	return probe < __stop_mmio_probes ? probe : NULL;
}
