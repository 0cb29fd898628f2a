/*
 * The guest's own paging: guest-virtual (linear) addresses to guest-physical ones, in every paging
 * mode, with the page fault the processor would raise. Knows nothing of vCPUs or slots.
 */
#ifndef NEAP_HV_GVA_H
#define NEAP_HV_GVA_H

#include "core/types.h"

/* Exception vectors that an address can raise. */
enum guest_vector {
	GUEST_UD = 6,
	GUEST_SS = 12,
	GUEST_GP = 13,
	GUEST_PF = 14,
	GUEST_AC = 17,
};

/*
 * An exception to inject. has_error is as in protected mode; whoever injects into a guest with
 * CR0.PE = 0 drops the error code (SDM vol. 3 21.1.4). cr2 counts for GUEST_PF only.
 */
struct guest_fault {
	u8 vector;
	bool has_error;
	u32 error_code;
	u64 cr2;
};

/* Error code of a page fault (SDM vol. 3 4.7). */
#define PF_PRESENT  BIT(0)
#define PF_WRITE    BIT(1)
#define PF_USER	    BIT(2)
#define PF_RESERVED BIT(3)
#define PF_FETCH    BIT(4)

/* What the access is. None of them: a data read. */
#define GVA_WRITE    0x01u /* a write, or a read that will be written */
#define GVA_FETCH    0x02u /* of an instruction */
#define GVA_IMPLICIT 0x04u /* by the processor itself (GDT, IDT, TSS): supervisor at any CPL */
#define GVA_STACK    0x08u /* through SS: a non-canonical address is #SS, not #GP */
#define GVA_PROBE    0x10u /* by no instruction (monitor, debugger): leaves A and D bits alone */

#define GVA_MAX_LEVELS 5
/* Walks begun again because the guest changed an entry under us; then -EAGAIN. */
#define GVA_WALK_TRIES 8

/* The registers that govern a translation, as the guest sees them. */
struct gva_mode {
	u64 cr0, cr3, cr4, efer;
	u8 cpl;
	bool ac;	   /* EFLAGS.AC, which lifts SMAP */
	bool no_1g;	   /* the guest's CPUID offers no 1 GiB pages: PS in a PDPTE is reserved */
	u8 maxphyaddr;	   /* the guest's, 32 to 52 */
	const u64 *pdptes; /* four PAE PDPTE registers, or NULL: read from memory at CR3 */
};

/*
 * Access to the guest's page tables; ctx is the caller's. Addresses are aligned to size (4 or 8).
 * An entry that cannot be read counts as all ones, as from an unclaimed bus.
 */
struct gva_ops {
	/* One untorn read. 0; -EAGAIN: not now, the walk is to be begun again; other errors: no
	 * memory there. */
	int (*read_pte)(void *ctx, gpa_t gpa, void *buf, size_t size);
	/*
	 * Atomically replaces old by new. 0; -EAGAIN: the entry is no longer old; other errors:
	 * it cannot be written, and A and D stay as they are. May be NULL, to the same effect.
	 */
	int (*cas_pte)(void *ctx, gpa_t gpa, u64 old, u64 new, size_t size);
};

struct gva_result {
	gpa_t gpa;
	u64 page_size;		 /* of the guest's mapping; PAGE_SIZE with paging off */
	bool writable, user, nx; /* R/W and U/S of all levels and-ed, XD or-ed */
};

/*
 * Translates one address for one access that does not leave its page. Any context; no lock; reads
 * at most GVA_MAX_LEVELS entries a try. 0; -EFAULT: *fault says what to inject; -EAGAIN: the guest
 * keeps changing its tables: enter it again. Protection keys, LAM and shadow stacks are not known
 * here: hide them from the guest.
 */
int gva_translate(const struct gva_mode *mode, const struct gva_ops *ops, void *ctx, u64 gva,
		  unsigned access, struct gva_result *out, struct guest_fault *fault) __must_check;

/* True when the address is canonical for va_bits (48 or 57) bits of linear address. */
static inline bool gva_is_canonical(u64 gva, unsigned va_bits)
{
	return (u64)((int64_t)(gva << (64 - va_bits)) >> (64 - va_bits)) == gva;
}

#endif
