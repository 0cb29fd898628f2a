/* The guest page walk. SDM vol. 3 chapter 4 throughout. */
#include "hv/gva.h"

#include <errno.h>

#define CR0_WP	 BIT(16)
#define CR0_PG	 BIT(31)
#define CR4_PSE	 BIT(4)
#define CR4_PAE	 BIT(5)
#define CR4_LA57 BIT(12)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)
#define EFER_LMA BIT(10)
#define EFER_NXE BIT(11)

#define PTE_P  BIT(0)
#define PTE_W  BIT(1)
#define PTE_U  BIT(2)
#define PTE_A  BIT(5)
#define PTE_D  BIT(6)
#define PTE_PS BIT(7)
#define PTE_NX BIT(63)

#define LOW_BITS(n)	(BIT(n) - 1)				/* n < 64 */
#define BITS(high, low) (LOW_BITS((high) + 1) & ~LOW_BITS(low)) /* high < 63 */
#define PTE_ADDR	BITS(51, 12)

_Static_assert(GVA_WALK_TRIES >= 1, "a walk is tried at least once");

struct step {
	gpa_t gpa;
	u64 pte;
	bool has_accessed; /* has an A bit and lies in memory */
};

struct walk {
	const struct gva_mode *mode;
	const struct gva_ops *ops;
	void *ctx;
	u64 gva;
	unsigned access;
	unsigned levels;     /* 2 to 5; level 1 is the page table */
	unsigned pte_size;   /* 4 or 8 */
	bool pae, long_mode; /* pae: the three-level form */
	unsigned depth;	     /* entries in step[] */
	bool again;	     /* an entry could not be read now */
	struct step step[GVA_MAX_LEVELS];
	struct guest_fault *fault;
};

static bool nx_enabled(const struct walk *w)
{
	return w->pte_size == 8 && (w->mode->efer & EFER_NXE);
}

static bool access_is_user(const struct walk *w)
{
	return w->mode->cpl == 3 && !(w->access & GVA_IMPLICIT);
}

static int page_fault(struct walk *w, u32 cause)
{
	u32 code = cause;

	if (w->access & GVA_WRITE)
		code |= PF_WRITE;
	if (access_is_user(w))
		code |= PF_USER;
	if ((w->access & GVA_FETCH) && (nx_enabled(w) || (w->mode->cr4 & CR4_SMEP)))
		code |= PF_FETCH;
	*w->fault = (struct guest_fault){
		.vector = GUEST_PF, .has_error = true, .error_code = code, .cr2 = w->gva
	};
	return -EFAULT;
}

static void walk_init(struct walk *w)
{
	const struct gva_mode *m = w->mode;

	w->long_mode = m->efer & EFER_LMA;
	w->pae = !w->long_mode && (m->cr4 & CR4_PAE);
	w->pte_size = w->long_mode || w->pae ? 8 : 4;
	if (w->long_mode)
		w->levels = m->cr4 & CR4_LA57 ? 5 : 4;
	else
		w->levels = w->pae ? 3 : 2;
}

static unsigned level_shift(const struct walk *w, unsigned level)
{
	return PAGE_SHIFT + (level - 1) * (w->pte_size == 8 ? 9 : 10);
}

/* Whether the entry maps a page at this level; a PS bit that is reserved is not a leaf. */
static bool is_leaf(const struct walk *w, u64 pte, unsigned level)
{
	if (level == 1)
		return true;
	if (!(pte & PTE_PS))
		return false;
	if (level == 2)
		return w->pte_size == 8 || (w->mode->cr4 & CR4_PSE);
	return level == 3 && w->long_mode && !w->mode->no_1g;
}

/* A 4 MiB page has address bits 39:32 in bits 20:13 of its entry (PSE-36). */
static u64 reserved_32(const struct walk *w, bool leaf, unsigned level)
{
	if (level == 1 || !leaf)
		return 0;
	return BITS(21, MIN(w->mode->maxphyaddr, 40) - 19);
}

static u64 reserved_bits(const struct walk *w, bool leaf, unsigned level)
{
	unsigned width = MIN(w->mode->maxphyaddr, 52);
	u64 bits = width < 52 ? BITS(51, width) : 0;

	if (w->pte_size == 4)
		return reserved_32(w, leaf, level);
	if (w->pae)
		bits |= BITS(62, 52);
	if (w->pae && level == 3)
		return bits | PTE_NX | BITS(8, 5) | BITS(2, 1);
	if (!nx_enabled(w))
		bits |= PTE_NX;
	if (level > 1)
		bits |= leaf ? BITS(level_shift(w, level) - 1, 13) : level > 2 ? PTE_PS : 0;
	return bits;
}

static gpa_t table_root(const struct walk *w)
{
	if (w->long_mode)
		return GPA(w->mode->cr3 & PTE_ADDR);
	return GPA(w->mode->cr3 & (w->pae ? BITS(31, 5) : BITS(31, 12)));
}

static u64 read_entry(struct walk *w, gpa_t gpa)
{
	u64 pte = 0;
	int err = w->ops->read_pte(w->ctx, gpa, &pte, w->pte_size);

	w->again |= err == -EAGAIN;
	return err ? (w->pte_size == 8 ? ~0ull : ~0u) : pte;
}

/* Reads the entry of this level from the table, and notes it as a step. */
static u64 take_step(struct walk *w, gpa_t table, unsigned level)
{
	unsigned index_bits = w->pte_size == 8 ? 9 : 10;
	u64 index = (w->gva >> level_shift(w, level)) & LOW_BITS(index_bits);
	struct step *s = &w->step[w->depth++];

	if (w->pae && level == 3) {
		index &= 3;
		s->has_accessed = false;
		if (w->mode->pdptes) {
			s->pte = w->mode->pdptes[index];
			return s->pte;
		}
	} else {
		s->has_accessed = true;
	}
	s->gpa = GPA(table.v + index * w->pte_size);
	s->pte = read_entry(w, s->gpa);
	return s->pte;
}

static gpa_t leaf_address(const struct walk *w, u64 pte, unsigned level)
{
	u64 offset = LOW_BITS(level_shift(w, level));

	if (w->pte_size == 4 && level == 2)
		return GPA((pte & BITS(31, 22)) | (pte & BITS(20, 13)) << 19 | (w->gva & offset));
	return GPA((pte & PTE_ADDR & ~offset) | (w->gva & offset));
}

static void add_permissions(const struct walk *w, u64 pte, unsigned level, struct gva_result *out)
{
	if (w->pae && level == 3)
		return; /* these have neither U/S, R/W nor XD */
	out->writable &= !!(pte & PTE_W);
	out->user &= !!(pte & PTE_U);
	out->nx |= nx_enabled(w) && (pte & PTE_NX);
}

/* SDM vol. 3 4.6.1: whether the access is allowed to a mapping with these permissions. */
static bool is_permitted(const struct walk *w, const struct gva_result *perm)
{
	const struct gva_mode *m = w->mode;

	if ((w->access & GVA_FETCH) && perm->nx)
		return false;
	if (access_is_user(w))
		return perm->user && (perm->writable || !(w->access & GVA_WRITE));
	if (perm->user && (w->access & GVA_FETCH))
		return !(m->cr4 & CR4_SMEP);
	if (perm->user && (m->cr4 & CR4_SMAP) && (!m->ac || (w->access & GVA_IMPLICIT)))
		return false;
	return perm->writable || !(w->access & GVA_WRITE) || !(m->cr0 & CR0_WP);
}

/*
 * Sets A in every entry used, and D in the leaf of a write, in one compare-exchange each: the guest
 * may be changing the entry on another processor. -EAGAIN: it has; walk again.
 */
static int set_accessed(struct walk *w)
{
	for (unsigned i = 0; i < w->depth; i++) {
		const struct step *s = &w->step[i];
		u64 want = s->pte | PTE_A;

		if (!s->has_accessed)
			continue;
		if (i + 1 == w->depth && (w->access & GVA_WRITE))
			want |= PTE_D;
		if (want != s->pte &&
		    w->ops->cas_pte(w->ctx, s->gpa, s->pte, want, w->pte_size) == -EAGAIN)
			return -EAGAIN;
	}
	return 0;
}

static int walk_once(struct walk *w, struct gva_result *out)
{
	gpa_t table = table_root(w);
	unsigned level;
	bool leaf = false;

	*out = (struct gva_result){ .writable = true, .user = true };
	w->depth = 0;
	w->again = false;
	for (level = w->levels; !leaf; level--) {
		u64 pte = take_step(w, table, level);

		if (w->again)
			return -EAGAIN;
		if (!(pte & PTE_P))
			return page_fault(w, 0);
		leaf = is_leaf(w, pte, level);
		if (pte & reserved_bits(w, leaf, level))
			return page_fault(w, PF_PRESENT | PF_RESERVED);
		add_permissions(w, pte, level, out);
		if (leaf) {
			out->gpa = leaf_address(w, pte, level);
			out->page_size = BIT(level_shift(w, level));
		}
		table = GPA(pte & PTE_ADDR);
	}
	if (!is_permitted(w, out))
		return page_fault(w, PF_PRESENT);
	return (w->access & GVA_PROBE) || !w->ops->cas_pte ? 0 : set_accessed(w);
}

static int check_canonical(const struct walk *w)
{
	if (gva_is_canonical(w->gva, w->mode->cr4 & CR4_LA57 ? 57 : 48))
		return 0;
	*w->fault = (struct guest_fault){ .vector = w->access & GVA_STACK ? GUEST_SS : GUEST_GP,
					  .has_error = true };
	return -EFAULT;
}

int gva_translate(const struct gva_mode *mode, const struct gva_ops *ops, void *ctx, u64 gva,
		  unsigned access, struct gva_result *out, struct guest_fault *fault)
{
	struct walk w = {
		.mode = mode, .ops = ops, .ctx = ctx, .gva = gva, .access = access, .fault = fault
	};
	int ret = -EAGAIN;

	if (!(mode->efer & EFER_LMA) || !(mode->cr0 & CR0_PG))
		w.gva &= LOW_BITS(32);
	if (!(mode->cr0 & CR0_PG)) {
		*out = (struct gva_result){ GPA(w.gva), PAGE_SIZE, true, true, false };
		return 0;
	}
	walk_init(&w);
	if (w.long_mode && check_canonical(&w) != 0)
		return -EFAULT;
	for (unsigned i = 0; i < GVA_WALK_TRIES && ret == -EAGAIN; i++)
		ret = walk_once(&w, out);
	return ret;
}
