/*
 * The instruction emulator: executes one guest instruction that the processor could not, because
 * its memory operand is a device's (MMIO) or a page the hypervisor watches, or because it is string
 * port I/O. Works in 16-, 32- and 64-bit code on general and SSE registers.
 *
 * It keeps nothing between calls but the decode cache. The caller fills in struct emu_ctx, calls
 * emu_run(), and commits registers, rip and rflags to the vCPU whatever the result: unless that is
 * EMU_DONE they have not changed, but for the iterations that a REP has done.
 */
#ifndef NEAP_HV_EMULATE_EMULATE_H
#define NEAP_HV_EMULATE_EMULATE_H

#include "hv/emulate/emu_cache.h"
#include "hv/emulate/emu_insn.h"
#include "hv/gva.h"
#include "hv/regs.h"

#define EMU_MAX_BYTES 15 /* of an instruction */
#define EMU_REP_MAX   64 /* iterations of a REP in one call */
#define EMU_CAS_TRIES 16 /* of a locked read-modify-write whose memory keeps changing */

enum emu_result {
	EMU_DONE,      /* executed; rip is on the next instruction */
	EMU_PART,      /* iterations of a REP are done, and it has more to do: rip stays, RF is set;
			  enter the guest, which will come back */
	EMU_AGAIN,     /* nothing is done; likewise: memory was contended, or the code has changed
			  since the exit */
	EMU_FAULT,     /* inject ctx->fault */
	EMU_UNHANDLED, /* not supported; ctx->why says what */
};

enum emu_mode { EMU_MODE_16 = 2, EMU_MODE_32 = 4, EMU_MODE_64 = 8 };

/* A segment register. In 64-bit code only base (of FS and GS) and selector are looked at. */
#define EMU_SEG_READABLE 0x01u
#define EMU_SEG_WRITABLE 0x02u
#define EMU_SEG_DOWN	 0x04u /* expands down */
#define EMU_SEG_BIG	 0x08u /* the D/B bit */

struct emu_segment {
	u64 base;
	u32 limit; /* in bytes, G applied */
	u16 selector;
	u8 flags; /* neither readable nor writable: unusable. Real mode and VM86: both, 64 KiB */
};

struct emu_ctx;

/*
 * What the emulator asks of its caller. Accesses of memory never cross a page, and are 1, 2, 4 or 8
 * bytes long; what does cross a page, or is 16 bytes long, comes in such parts, after all of its
 * pages were translated, so that a fault leaves nothing half done. Functions return 0, or:
 * -EFAULT (translate only): ctx->fault is filled in; -EAGAIN: enter the guest again;
 * another negative errno: the instruction is given up as EMU_UNHANDLED.
 */
struct emu_ops {
	/* Linear to guest-physical for an access of GVA_* kind; the page of it is used on. */
	int (*translate)(struct emu_ctx *ctx, u64 linear, unsigned access, gpa_t *gpa);
	/* RAM or a device. An aligned access of RAM must be done at once. */
	int (*read)(struct emu_ctx *ctx, gpa_t gpa, void *buf, unsigned size);
	int (*write)(struct emu_ctx *ctx, gpa_t gpa, const void *buf, unsigned size);
	/*
	 * Compare-exchange for a LOCK prefix; size is 1 to 16, not across a page, 16 aligned. 0;
	 * -EAGAIN: memory is not what old says; -EOPNOTSUPP: not RAM, a plain write is to do. May
	 * be NULL: then always a plain write.
	 */
	int (*cas)(struct emu_ctx *ctx, gpa_t gpa, const void *old, const void *new, unsigned size);
	/* Ports, for INS and OUTS; size 1, 2 or 4. */
	int (*pio_in)(struct emu_ctx *ctx, u16 port, unsigned size, u32 *value);
	int (*pio_out)(struct emu_ctx *ctx, u16 port, unsigned size, u32 value);
	/* Asked for what an instruction needs only. */
	void (*get_segment)(struct emu_ctx *ctx, enum emu_seg seg, struct emu_segment *out);
	/* The XMM registers, 0 to 15, which are live in the processor. */
	void (*xmm_read)(struct emu_ctx *ctx, unsigned reg, u8 value[16]);
	void (*xmm_write)(struct emu_ctx *ctx, unsigned reg, const u8 value[16]);
};

struct emu_ctx {
	/* Set by the caller. */
	const struct emu_ops *ops;
	struct emu_cache *cache; /* or NULL */
	struct guest_regs *regs; /* RSP included; changed in place */
	u64 rip, rflags;
	u64 cr0;	    /* as SMSW reads it */
	enum emu_mode mode; /* of the code segment: L and D */
	u8 va_bits;	    /* 48, or 57 with LA57: for branch targets */
	bool align_check;   /* CPL 3, CR0.AM and EFLAGS.AC */
	/*
	 * The instruction: `count` bytes at rip, zeroes behind them. When fewer than 15 could be
	 * fetched because the next page faults, fetch_faulted is set and fault says how.
	 */
	union {
		u8 bytes[16];
		u64 word[2];
	};
	u8 count;
	bool fetch_faulted;
	/*
	 * For an exit on a memory access (not on the walk of the guest's page tables): where it
	 * went. Saves the walk when the operand has the same offset in its page.
	 */
	bool hint_valid, hint_write;
	gpa_t hint_gpa;
	/*
	 * For an exit on string I/O: the element's size, for which the processor has checked the
	 * I/O permissions; 0 on other exits. INS and OUTS of another size are left to the processor
	 * (EMU_AGAIN): the guest has changed its code since.
	 */
	u8 io_size;

	/* Set by emu_run(). */
	struct guest_fault fault;
	const char *why;

	/* The emulator's own, while it runs. */
	u64 next_rip;
	u8 seg_valid; /* bit per segment already asked for */
	bool use_hint;
	struct emu_segment seg[EMU_SEG_COUNT];
	struct {
		u64 page; /* linear, | 1 when valid */
		gpa_t gpa;
	} tlb[2]; /* the last page read, the last written */
};

/*
 * Executes the instruction. Bounded: one instruction, or EMU_REP_MAX iterations of it, or one if
 * EFLAGS.TF is set. Does not set up the #DB for that nor end an interrupt shadow: the caller does,
 * on EMU_DONE and EMU_PART. Any context in which the ops may be called; takes no lock itself.
 */
enum emu_result emu_run(struct emu_ctx *ctx) __must_check;

/*
 * Decodes the instruction through the cache and executes nothing. EMU_DONE: *insn is set; its op is
 * EMU_OP_NONE, and its length all that is known, for a valid instruction that emu_run() would not
 * execute. EMU_FAULT: as emu_run() would; EMU_UNHANDLED: the bytes do not decode. Needs bytes,
 * count, fetch_faulted, mode, rip (a hint to the cache) and cache. Any context.
 */
enum emu_result emu_inspect(struct emu_ctx *ctx, struct emu_insn *insn) __must_check;

/* Reads an operand of an instruction so decoded, from memory when it is there. */
enum emu_result emu_inspect_operand(struct emu_ctx *ctx, const struct emu_insn *insn,
				    const struct emu_operand *o, u64 *value) __must_check;

#endif
