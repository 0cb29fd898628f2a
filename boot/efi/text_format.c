#include "boot/efi/text_format.h"

#define DIGITS_MAX 20 /* of 64 bits in decimal */

struct output {
	char *to;
	size_t used, room;
};

static void put(struct output *o, char c)
{
	if (o->used + 1 < o->room)
		o->to[o->used++] = c;
}

static void put_string(struct output *o, const char *s)
{
	while (*s)
		put(o, *s++);
}

static void put_number(struct output *o, u64 v, unsigned base)
{
	char digit[DIGITS_MAX];
	unsigned n = 0;

	do {
		digit[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	while (n)
		put(o, digit[--n]);
}

static void put_signed(struct output *o, s64 v)
{
	if (v < 0)
		put(o, '-');
	put_number(o, v < 0 ? -(u64)v : (u64)v, 10);
}

size_t text_format(char *to, size_t room, const char *fmt, va_list ap)
{
	struct output o = { to, 0, room };

	for (; *fmt; fmt++) {
		bool is_long;

		if (*fmt != '%') {
			put(&o, *fmt);
			continue;
		}
		is_long = *++fmt == 'l';
		fmt += is_long;
		if (*fmt == 's')
			put_string(&o, va_arg(ap, const char *));
		else if (*fmt == 'c')
			put(&o, (char)va_arg(ap, int));
		else if (*fmt == 'd')
			put_signed(&o, is_long ? va_arg(ap, long) : va_arg(ap, int));
		else if (*fmt == 'u' || *fmt == 'x')
			put_number(&o, is_long ? va_arg(ap, unsigned long) : va_arg(ap, unsigned),
				   *fmt == 'x' ? 16 : 10);
		else if (*fmt == '%')
			put(&o, '%');
		else
			break;
	}
	to[o.used] = '\0';
	return o.used;
}

size_t text_print(char *to, size_t room, const char *fmt, ...)
{
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	n = text_format(to, room, fmt, ap);
	va_end(ap);
	return n;
}
