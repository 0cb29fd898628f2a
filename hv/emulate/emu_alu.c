/* The arithmetic of the general instructions, with their flags (SDM vol. 1 3.4.3, appendix A). */
#include "hv/emulate/emu_internal.h"

static bool top_bit(u64 v, unsigned size)
{
	return v >> (8 * size - 1) & 1;
}

/* PF is set when the low byte has an even number of ones; the constant is a table of 16 nibbles. */
static bool parity_even(u64 v)
{
	return 0x9669 >> ((v ^ v >> 4) & 15) & 1;
}

static u64 flag_if(u64 flag, bool set)
{
	return set ? flag : 0;
}

static u64 result_flags(u64 r, unsigned size)
{
	return flag_if(FLAG_ZF, r == 0) | flag_if(FLAG_SF, top_bit(r, size)) |
	       flag_if(FLAG_PF, parity_even(r));
}

static void set_flags(u64 *flags, u64 which, u64 values)
{
	*flags = (*flags & ~which) | (values & which);
}

static u64 add(u64 a, u64 b, bool carry, unsigned size, u64 *flags)
{
	u64 r = (a + b + carry) & emu_size_mask(size);

	set_flags(flags, FLAG_ARITH,
		  result_flags(r, size) | ((a ^ b ^ r) & FLAG_AF) |
			  flag_if(FLAG_CF, top_bit((a & b) | ((a | b) & ~r), size)) |
			  flag_if(FLAG_OF, top_bit((a ^ r) & (b ^ r), size)));
	return r;
}

static u64 subtract(u64 a, u64 b, bool borrow, unsigned size, u64 *flags)
{
	u64 r = (a - b - borrow) & emu_size_mask(size);

	set_flags(flags, FLAG_ARITH,
		  result_flags(r, size) | ((a ^ b ^ r) & FLAG_AF) |
			  flag_if(FLAG_CF, top_bit((~a & b) | ((~a | b) & r), size)) |
			  flag_if(FLAG_OF, top_bit((a ^ b) & (a ^ r), size)));
	return r;
}

static u64 logic(u64 r, unsigned size, u64 *flags)
{
	set_flags(flags, FLAG_ARITH, result_flags(r, size));
	return r;
}

static int64_t sign_extend(u64 v, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (int64_t)(v << shift) >> shift;
}

/* CF and OF tell that the product needs more than size bytes; the other flags are undefined. */
static u64 multiply(u64 a, u64 b, unsigned size, u64 *flags)
{
	int64_t product;
	bool over = __builtin_mul_overflow(sign_extend(a, size), sign_extend(b, size), &product);

	over |= sign_extend((u64)product, size) != product;
	set_flags(flags, FLAG_CF | FLAG_OF, flag_if(FLAG_CF | FLAG_OF, over));
	return (u64)product & emu_size_mask(size);
}

u64 emu_alu_binary(enum emu_op op, u64 a, u64 b, unsigned size, u64 *flags)
{
	switch (op) {
	case EMU_OP_ADD:
		return add(a, b, false, size, flags);
	case EMU_OP_ADC:
		return add(a, b, *flags & FLAG_CF, size, flags);
	case EMU_OP_SUB:
	case EMU_OP_CMP:
		return subtract(a, b, false, size, flags);
	case EMU_OP_SBB:
		return subtract(a, b, *flags & FLAG_CF, size, flags);
	case EMU_OP_IMUL:
		return multiply(a, b, size, flags);
	case EMU_OP_OR:
		return logic(a | b, size, flags);
	case EMU_OP_XOR:
		return logic(a ^ b, size, flags);
	default: /* AND and TEST */
		return logic(a & b, size, flags);
	}
}

u64 emu_alu_unary(enum emu_op op, u64 a, unsigned size, u64 *flags)
{
	u64 carry = *flags & FLAG_CF, r;

	switch (op) {
	case EMU_OP_NOT:
		return ~a & emu_size_mask(size);
	case EMU_OP_NEG:
		return subtract(0, a, false, size, flags);
	case EMU_OP_INC:
		r = add(a, 1, false, size, flags);
		break;
	default: /* DEC */
		r = subtract(a, 1, false, size, flags);
		break;
	}
	set_flags(flags, FLAG_CF, carry); /* INC and DEC leave it */
	return r;
}

/* One shift by count >= 1; *carry is the last bit shifted out. */
static u64 shift(enum emu_op op, u64 a, unsigned count, unsigned size, bool *carry)
{
	unsigned bits = 8 * size;

	switch (op) {
	case EMU_OP_SHL:
		*carry = count <= bits && (a >> (bits - count) & 1);
		return a << count & emu_size_mask(size);
	case EMU_OP_SHR:
		*carry = a >> (count - 1) & 1;
		return a >> count;
	default: /* SAR */
		*carry = sign_extend(a, size) >> (count - 1) & 1;
		return (u64)(sign_extend(a, size) >> count) & emu_size_mask(size);
	}
}

static u64 rotate_left(u64 a, unsigned count, unsigned size)
{
	unsigned bits = 8 * size;

	count %= bits;
	return count ? (a << count | a >> (bits - count)) & emu_size_mask(size) : a;
}

/* Rotates change CF and OF only. */
static u64 rotate(enum emu_op op, u64 a, unsigned count, unsigned size, u64 *flags)
{
	bool left = op == EMU_OP_ROL;
	unsigned bits = 8 * size;
	u64 r = rotate_left(a, left ? count : bits - count % bits, size);
	bool carry = left ? r & 1 : top_bit(r, size);
	bool other = left ? top_bit(r, size) : r >> (bits - 2) & 1;

	set_flags(flags, FLAG_CF | FLAG_OF,
		  flag_if(FLAG_CF, carry) | flag_if(FLAG_OF, carry != other));
	return r;
}

/* OF is defined for a count of 1 only, and is computed as for 1 always. */
static bool shift_overflow(enum emu_op op, u64 a, u64 r, unsigned size, bool carry)
{
	if (op == EMU_OP_SHL)
		return top_bit(r, size) != carry;
	return op == EMU_OP_SHR && top_bit(a, size);
}

u64 emu_alu_shift(enum emu_op op, u64 a, unsigned count, unsigned size, u64 *flags)
{
	bool carry;
	u64 r;

	count &= size == 8 ? 63 : 31;
	if (count == 0)
		return a;
	if (op == EMU_OP_ROL || op == EMU_OP_ROR)
		return rotate(op, a, count, size, flags);
	r = shift(op, a, count, size, &carry);
	set_flags(flags, FLAG_ARITH,
		  result_flags(r, size) | flag_if(FLAG_CF, carry) |
			  flag_if(FLAG_OF, shift_overflow(op, a, r, size, carry)));
	return r;
}

/* SDM vol. 1 appendix B: pairs of a condition and its opposite. */
bool emu_condition(unsigned cond, u64 flags)
{
	bool sf_ne_of = !(flags & FLAG_SF) != !(flags & FLAG_OF);
	bool holds;

	switch (cond >> 1 & 7) {
	case 0:
		holds = flags & FLAG_OF;
		break;
	case 1:
		holds = flags & FLAG_CF;
		break;
	case 2:
		holds = flags & FLAG_ZF;
		break;
	case 3:
		holds = flags & (FLAG_CF | FLAG_ZF);
		break;
	case 4:
		holds = flags & FLAG_SF;
		break;
	case 5:
		holds = flags & FLAG_PF;
		break;
	case 6:
		holds = sf_ne_of;
		break;
	default:
		holds = sf_ne_of || (flags & FLAG_ZF);
		break;
	}
	return holds != (cond & 1);
}
