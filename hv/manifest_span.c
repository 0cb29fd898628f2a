#include "hv/manifest_span.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.n > 0 && is_blank(s.s[0])) {
		s.s++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.s[s.n - 1]))
		s.n--;
	return s;
}

struct span span_take_word(struct span *s)
{
	struct span word = *s = span_trim(*s);

	for (word.n = 0; word.n < s->n && !is_blank(word.s[word.n]); word.n++)
		;
	*s = span_trim((struct span){ s->s + word.n, s->n - word.n });
	return word;
}

bool span_split(struct span *s, char c, struct span *before)
{
	const char *at = s->n ? memchr(s->s, c, s->n) : NULL;

	if (!at)
		return false;
	*before = (struct span){ s->s, (size_t)(at - s->s) };
	*s = (struct span){ at + 1, s->n - before->n - 1 };
	return true;
}

bool span_equals(struct span s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.s, word, s.n) == 0;
}

bool span_is_blank(struct span s)
{
	s = span_trim(s);
	return s.n == 0 || s.s[0] == '#';
}

bool span_copy(struct span s, char *to, size_t size)
{
	if (s.n >= size)
		return false;
	memcpy(to, s.s, s.n);
	to[s.n] = '\0';
	return true;
}

bool span_number(struct span s, u64 max, u64 *value)
{
	u64 v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(s.s[i] - '0');

		if (digit > 9 || v > (max - MIN(digit, max)) / 10)
			return false;
		v = v * 10 + digit;
	}
	*value = v;
	return v <= max;
}

bool span_unquote(struct span *s)
{
	if (s->n == 0 || s->s[0] != '"')
		return true;
	if (s->n == 1 || s->s[s->n - 1] != '"')
		return false;
	*s = (struct span){ s->s + 1, s->n - 2 };
	return true;
}
