/*
 * Just enough of the ACPI byte code (20.2) to find the numbers for soft-off: Name (\_S5_, Package
 * { a, b, ... }) with constants, as every compiler writes it. No byte code is ever executed.
 */
#include "arch/x86/acpi_parse.h"

enum {
	AML_ZERO = 0x00,
	AML_ONE = 0x01,
	AML_NAME = 0x08,
	AML_BYTE = 0x0a,
	AML_WORD = 0x0b,
	AML_DWORD = 0x0c,
	AML_QWORD = 0x0e,
	AML_PACKAGE = 0x12,
	AML_ROOT = '\\',
};

#define SLP_TYP_MAX 7 /* three bits in the register (4.8.3.2.1) */

struct cursor {
	const u8 *p, *end;
};

static size_t left(const struct cursor *c)
{
	return (size_t)(c->end - c->p);
}

/* 20.2.4: the length counts its own bytes. Narrows the cursor to the package. */
static bool enter_package(struct cursor *c)
{
	unsigned more;
	size_t length;

	if (!left(c))
		return false;
	more = *c->p >> 6;
	if (left(c) < more + 1u || (more && (*c->p & 0x30)))
		return false;
	length = *c->p & (more ? 0x0f : 0x3f);
	for (unsigned i = 0; i < more; i++)
		length |= (size_t)c->p[i + 1] << (4 + 8 * i);
	if (length < more + 1u || length > left(c))
		return false;
	c->end = c->p + length;
	c->p += more + 1;
	return true;
}

/* 20.2.3: a constant number, little-endian. */
static bool take_number(struct cursor *c, u64 *value)
{
	unsigned size;

	if (!left(c))
		return false;
	switch (*c->p++) {
	case AML_ZERO:
		*value = 0;
		return true;
	case AML_ONE:
		*value = 1;
		return true;
	case AML_BYTE:
		size = 1;
		break;
	case AML_WORD:
		size = 2;
		break;
	case AML_DWORD:
		size = 4;
		break;
	case AML_QWORD:
		size = 8;
		break;
	default:
		return false;
	}
	if (left(c) < size)
		return false;
	*value = 0;
	memcpy(value, c->p, size);
	c->p += size;
	return true;
}

/* The cursor is behind the name. */
static bool take_types(struct cursor c, u8 *type_a, u8 *type_b)
{
	u64 a, b;
	u8 count;

	if (!left(&c) || *c.p++ != AML_PACKAGE || !enter_package(&c) || !left(&c))
		return false;
	count = *c.p++;
	if (!count || !take_number(&c, &a))
		return false;
	if (count == 1) {
		/* An old form: both in one number. */
		b = a >> 8;
		a &= 0xff;
	} else if (!take_number(&c, &b)) {
		return false;
	}
	if (a > SLP_TYP_MAX || b > SLP_TYP_MAX)
		return false;
	*type_a = (u8)a;
	*type_b = (u8)b;
	return true;
}

bool acpi_aml_find_s5(const u8 *aml, size_t n, u8 *type_a, u8 *type_b)
{
	for (size_t i = 1; i < n && n - i >= 4; i++) {
		bool named = aml[i - 1] == AML_NAME ||
			     (i >= 2 && aml[i - 1] == AML_ROOT && aml[i - 2] == AML_NAME);

		if (!named || memcmp(aml + i, "_S5_", 4))
			continue;
		if (take_types((struct cursor){ aml + i + 4, aml + n }, type_a, type_b))
			return true;
	}
	return false;
}
