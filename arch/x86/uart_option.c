#include "arch/x86/uart_option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cmdline.h"

#define OPTION "serial="

static bool take(const char **s, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*s, word, n))
		return false;
	*s += n;
	return true;
}

/* A number from 1 to max. */
static bool take_number(const char **s, u64 max, u64 *value)
{
	char *end;

	if (**s < '0' || **s > '9')
		return false;
	*value = strtoull(*s, &end, 0);
	*s = end;
	return *value && *value <= max;
}

static bool parse_port(const char *s, struct uart_option *o)
{
	u64 baud = 0, max = o->kind == UART_OPT_IO ? UINT16_MAX - 7 : BIT(52) - 32;

	if (!take_number(&s, max, &o->address))
		return false;
	if (take(&s, ",") && !take_number(&s, UART_MAX_BAUD, &baud))
		return false;
	o->baud = (u32)baud;
	return cmdline_ends(*s);
}

int uart_option_parse(const char *cmdline, struct uart_option *out)
{
	struct uart_option o = { UART_OPT_NONE, 0, 0 };
	const char *s = cmdline_find(cmdline, OPTION);
	bool good = false;

	*out = o;
	if (!s)
		return 0;
	if (take(&s, "off")) {
		o.kind = UART_OPT_OFF;
		good = cmdline_ends(*s);
	} else if (take(&s, "io:")) {
		o.kind = UART_OPT_IO;
		good = parse_port(s, &o);
	} else if (take(&s, "mmio:")) {
		o.kind = UART_OPT_MMIO;
		good = parse_port(s, &o);
	}
	if (!good)
		return -EINVAL;
	*out = o;
	return 0;
}
