/*
 * The short way for what nearly all accesses of devices are: a MOV in a kernel's 64-bit code that
 * is executed again and again, whose address the exit has told. It does what mmio_emulate() would,
 * in a fifth of the instructions.
 */
#include <string.h>

#include "hv/emulate/emulate.h"
#include "hv/mmio.h"
#include "hv/mmio_device.h"

/* The low bits of the operand's linear address; those above are not needed. */
static force_inline u64 operand_offset(const struct vcpu *v, const struct emu_insn *insn)
{
	u64 linear = insn->disp;

	if (likely(insn->base < REG_COUNT))
		linear += v->regs.r[insn->base];
	else if (insn->base == EMU_BASE_RIP)
		linear += v->rip + insn->len;
	if (insn->index != EMU_NO_REG)
		linear += v->regs.r[insn->index] << insn->scale_shift;
	return linear;
}

/* The exit is about all of this operand: an access that is aligned lies in one page. */
static force_inline bool is_operand(const struct vcpu *v, const struct emu_insn *insn,
				    unsigned size, gpa_t gpa)
{
	u64 differ = (operand_offset(v, insn) ^ gpa.v) & (PAGE_SIZE - 1);

	return !(differ | (gpa.v & (size - 1)));
}

/* 4 bytes clear the upper half of the register, 1 and 2 keep the rest of it. */
static force_inline void set_register(u64 *r, unsigned size, u64 value)
{
	if (likely(size >= 4))
		*r = value;
	else if (size == 2)
		*r = (*r & ~0xffffull) | value;
	else
		*r = (*r & ~0xffull) | value;
}

static force_inline bool read_device(struct vcpu *v, const struct emu_insn *insn, gpa_t gpa)
{
	unsigned size = insn->src.size;

	if (unlikely(insn->src.kind != EMU_KIND_MEM || !is_operand(v, insn, size, gpa)))
		return false;
	set_register(&v->regs.r[insn->dst.reg], insn->dst.size, mmio_device_read(v, gpa, size));
	return true;
}

static force_inline bool write_device(struct vcpu *v, const struct emu_insn *insn, gpa_t gpa)
{
	unsigned size = insn->dst.size;

	if (unlikely(insn->dst.kind != EMU_KIND_MEM || !is_operand(v, insn, size, gpa)))
		return false;
	mmio_device_write(v, gpa, size,
			  insn->src.kind == EMU_KIND_IMM ? insn->imm : v->regs.r[insn->src.reg]);
	return true;
}

unsigned mmio_move(struct vcpu *v, const u8 *code, gpa_t gpa, bool write)
{
	const struct emu_cache_entry *e = emu_cache_slot(v->emu_cache, v->rip);
	u64 word[2];
	bool done;

	memcpy(word, code, sizeof(word));
	if (unlikely(!(e->insn.flags & EMU_INSN_SIMPLE) ||
		     !emu_cache_fits(e, word[0], word[1], EMU_MODE_64)))
		return 0;
	done = write ? write_device(v, &e->insn, gpa) : read_device(v, &e->insn, gpa);
	return done ? e->insn.len : 0;
}
