/* Base types, handles and annotations used everywhere. Self-standing; compiles on the host. */
#ifndef NEAP_CORE_TYPES_H
#define NEAP_CORE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/cdefs.h> /* the C library's own spellings, replaced below */

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

#undef __must_check
#undef __packed
#undef __aligned
#undef __printf
#undef __noreturn
#undef __cold
#undef __unused
#undef __section

#define __must_check   __attribute__((warn_unused_result))
#define __packed       __attribute__((packed))
#define __aligned(n)   __attribute__((aligned(n)))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#define __noreturn     __attribute__((noreturn))
#define __cold	       __attribute__((cold))
#define __unused       __attribute__((unused))
#define force_inline   inline __attribute__((always_inline))
#define never_inline   __attribute__((noinline))
#define __section(s)   __attribute__((section(s)))

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define ARRAY_SIZE(a)	   (sizeof(a) / sizeof((a)[0]))
#define BIT(n)		   (1ul << (n))
#define ALIGN_DOWN(x, a)   ((x) & ~((__typeof__(x))(a)-1))
#define ALIGN_UP(x, a)	   ALIGN_DOWN((x) + ((__typeof__(x))(a)-1), a)
#define IS_ALIGNED(x, a)   (((x) & ((__typeof__(x))(a)-1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
/* Each argument is evaluated once, as the type the two have in common. The number keeps nested ones
 * apart. */
#define MIN(a, b)	      MIN_MAX_(<, a, b, __COUNTER__)
#define MAX(a, b)	      MIN_MAX_(>, a, b, __COUNTER__)
#define MIN_MAX_(op, a, b, n) MIN_MAX__(op, a, b, n)
#define MIN_MAX__(op, a, b, n)                     \
	({                                         \
		__typeof__((a) + (b)) a_##n = (a); \
		__typeof__((a) + (b)) b_##n = (b); \
		a_##n op b_##n ? a_##n : b_##n;    \
	})
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))

#define KIB (1ul << 10)
#define MIB (1ul << 20)
#define GIB (1ul << 30)

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1ul << PAGE_SHIFT)

/*
 * Addresses and frame numbers are one-member structs, so that a guest's cannot be mixed up with
 * the host's nor a frame number with an address: g = guest-physical, h = host-physical.
 */
typedef struct {
	u64 v;
} gpa_t;
typedef struct {
	u64 v;
} gfn_t;
typedef struct {
	u64 v;
} hpa_t;
typedef struct {
	u64 v;
} hfn_t;
typedef struct {
	u32 v;
} vp_index_t;

#define GPA(x) ((gpa_t){ (x) })
#define GFN(x) ((gfn_t){ (x) })
#define HPA(x) ((hpa_t){ (x) })
#define HFN(x) ((hfn_t){ (x) })

/* The frame that an address is in, and the first address of a frame. */
static inline gfn_t gpa_to_gfn(gpa_t a)
{
	return GFN(a.v >> PAGE_SHIFT);
}
static inline gpa_t gfn_to_gpa(gfn_t f)
{
	return GPA(f.v << PAGE_SHIFT);
}
static inline hfn_t hpa_to_hfn(hpa_t a)
{
	return HFN(a.v >> PAGE_SHIFT);
}
static inline hpa_t hfn_to_hpa(hfn_t f)
{
	return HPA(f.v << PAGE_SHIFT);
}

#endif
