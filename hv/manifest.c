#include "hv/manifest.h"

#include <errno.h>
#include <string.h>

#include "core/log.h"
#include "hv/manifest_key.h"
#include "mm/heap.h"

#define EXPECT_SECTION "a section [vm NAME]"
#define EXPECT_VM_NAME "a name of 1 to 31 letters, digits, `-`, `_` or `.`"

_Static_assert(VM_NAME_MAX == 32, "see EXPECT_VM_NAME");
_Static_assert(MANIFEST_VM_MAX >= 1 && MANIFEST_ERRORS_SHOWN >= 1, "limits let something through");
_Static_assert(MANIFEST_SIZE_MAX < UINT32_MAX, "lines are counted in 32 bits");

struct parser {
	struct manifest *m;
	unsigned line;		  /* from 1 */
	struct span vm_name;	  /* of the section we are in, also of a skipped one; n 0: none */
	struct vm_config *vm;	  /* the section's, the last in m; NULL: none, or skipped */
	bool skip;		  /* within a section whose header was no good */
	unsigned seen[KEY_COUNT]; /* line of the key in this section, 0: not yet */
};

/* Counts an error against the section's VM; the first ones are to be printed. */
static bool count_error(struct parser *p)
{
	if (p->vm)
		p->m->bad[p->m->vm_count - 1] = true;
	return p->m->errors++ < MANIFEST_ERRORS_SHOWN;
}

/* Of a key that is none: the list of those that are fills the line. */
#define KEY_SHOWN 16

#define VM_FMT "%s%.*s%s"
#define VM_ARG(p)                                                          \
	(p)->vm_name.n ? "[vm " : "", (int)(p)->vm_name.n, (p)->vm_name.s, \
		(p)->vm_name.n ? "] " : ""

#define parse_error(p, at, fmt, ...)                                                           \
	do {                                                                                   \
		if (count_error(p))                                                            \
			log_error("manifest:%u: " VM_FMT fmt, (at), VM_ARG(p), ##__VA_ARGS__); \
	} while (0)

static void check_key_given(struct parser *p, enum manifest_key key)
{
	if (!p->seen[key])
		parse_error(p, p->vm->line, "no `%s`; expected %s = ... in this section",
			    manifest_key_name(key), manifest_key_name(key));
}

/* The list has an index for each CPU; `reversed` becomes one, now that their number is known. */
static void check_vp_index(struct parser *p)
{
	struct vm_config *vm = p->vm;

	if (vm->vp_index_reversed) {
		vm->vp_index_count = vm->cpus;
		for (unsigned i = 0; i < vm->cpus; i++)
			vm->vp_index[i] = (u16)(vm->cpus - 1 - i);
	}
	if (vm->vp_index_count && vm->vp_index_count != vm->cpus)
		parse_error(p, p->seen[KEY_VP_INDEX],
			    "%u indexes in `%s`; expected %u, as `cpus` says", vm->vp_index_count,
			    manifest_key_name(KEY_VP_INDEX), vm->cpus);
	else if (p->seen[KEY_VP_INDEX] && !vm->hyperv && !p->m->bad[p->m->vm_count - 1])
		log_warn("manifest:%u: " VM_FMT "`%s` has no effect without `%s = on`",
			 p->seen[KEY_VP_INDEX], VM_ARG(p), manifest_key_name(KEY_VP_INDEX),
			 manifest_key_name(KEY_HYPERV));
}

/* Leaves the section; what is asked of it as a whole is checked here. */
static void end_section(struct parser *p)
{
	if (p->vm) {
		check_key_given(p, KEY_MEMORY);
		check_key_given(p, KEY_KERNEL);
		check_vp_index(p);
	}
	p->vm = NULL;
	p->vm_name = (struct span){ "", 0 };
}

static bool is_vm_name(struct span s)
{
	if (s.n == 0 || s.n >= VM_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.s[i], lower = c | 0x20;

		if (!(lower >= 'a' && lower <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
		    c != '_' && c != '.')
			return false;
	}
	return true;
}

static const struct vm_config *find_vm(const struct manifest *m, struct span name)
{
	for (unsigned i = 0; i < m->vm_count; i++) {
		if (span_equals(name, m->vm[i]->name))
			return m->vm[i];
	}
	return NULL;
}

static void begin_vm(struct parser *p, struct span name)
{
	const struct vm_config *same = find_vm(p->m, name);
	struct vm_config *vm;

	p->vm_name = name;
	if (same) {
		parse_error(p, p->line, "the VM of line %u has that name; expected another",
			    same->line);
		return;
	}
	if (p->m->vm_count == MANIFEST_VM_MAX) {
		parse_error(p, p->line, "one VM too many; expected at most %u", MANIFEST_VM_MAX);
		return;
	}
	vm = heap_alloc(sizeof(*vm));
	if (!vm) {
		parse_error(p, p->line, "no memory left for its configuration; expected %lu bytes",
			    (unsigned long)sizeof(*vm));
		return;
	}
	memcpy(vm->name, name.s, name.n); /* is_vm_name() looked at the length */
	vm->cpus = 1;
	vm->weight = VM_WEIGHT_DEFAULT;
	vm->prefetch = VM_PREFETCH_DEFAULT;
	cpu_set_add_all(&vm->processors);
	vm->uart = vm->debug_exit = true;
	vm->reboots = VM_REBOOTS_UNLIMITED;
	vm->line = p->line;
	p->m->vm[p->m->vm_count] = vm;
	p->m->bad[p->m->vm_count++] = false;
	p->vm = vm;
	p->skip = false;
	memset(p->seen, 0, sizeof(p->seen));
}

/* line is what follows the opening bracket. A section with a bad header is skipped whole. */
static void parse_section(struct parser *p, struct span line)
{
	struct span inner, kind;

	end_section(p);
	p->skip = true;
	if (!span_split(&line, ']', &inner)) {
		parse_error(p, p->line, "`[` without `]`; expected " EXPECT_SECTION);
		return;
	}
	if (!span_is_blank(line)) {
		line = span_trim(line);
		parse_error(p, p->line, SPAN_FMT " behind a section's `]`; expected the line's end",
			    SPAN_ARG(line));
		return;
	}
	kind = span_take_word(&inner);
	if (!span_equals(kind, "vm")) {
		parse_error(p, p->line, "unknown kind of section " SPAN_FMT "; expected [vm NAME]",
			    SPAN_ARG(kind));
		return;
	}
	if (!is_vm_name(inner)) {
		parse_error(p, p->line, SPAN_FMT " as the name of a VM; expected " EXPECT_VM_NAME,
			    SPAN_ARG(inner));
		return;
	}
	begin_vm(p, inner);
}

static void parse_key(struct parser *p, struct span line)
{
	struct span name, bad, value = line;
	const char *expected;
	enum manifest_key key;

	if (!span_split(&value, '=', &name)) {
		parse_error(p, p->line, SPAN_FMT " without `=`; expected key = value",
			    SPAN_ARG(line));
		return;
	}
	name = span_trim(name);
	if (!p->vm) {
		parse_error(p, p->line, "key " SPAN_FMT " before any section; expected [vm NAME]",
			    SPAN_ARG(name));
		return;
	}
	key = manifest_find_key(name);
	if (key == KEY_COUNT) {
		parse_error(p, p->line, "unknown key `%.*s%s`; expected one of: " MANIFEST_KEYS,
			    (int)MIN(name.n, (size_t)KEY_SHOWN), name.s,
			    name.n > KEY_SHOWN ? "..." : "");
		return;
	}
	if (p->seen[key] && key != KEY_MODULE) {
		parse_error(p, p->line, "`%s` again, first given on line %u; expected it once",
			    manifest_key_name(key), p->seen[key]);
		return;
	}
	p->seen[key] = p->line;
	expected = manifest_set_key(p->vm, key, value, &bad);
	if (expected)
		parse_error(p, p->line, "%s = " SPAN_FMT "; expected %s", manifest_key_name(key),
			    SPAN_ARG(bad), expected);
}

/* Text has no control characters but tabs. Returns where the first one is, or the length. */
static size_t find_control(struct span line)
{
	size_t i = 0;

	while (i < line.n && ((u8)line.s[i] >= 0x20 || line.s[i] == '\t') && line.s[i] != 0x7f)
		i++;
	return i;
}

static void parse_line(struct parser *p, struct span line)
{
	size_t control;

	if (line.n > 0 && line.s[line.n - 1] == '\r')
		line.n--;
	control = find_control(line);
	if (control < line.n) {
		parse_error(p, p->line, "%s 0x%02x in column %lu; expected text",
			    line.s[control] ? "control character" : "NUL byte", (u8)line.s[control],
			    (unsigned long)control + 1);
		return;
	}
	line = span_trim(line);
	if (span_is_blank(line))
		return;
	if (line.s[0] == '[')
		parse_section(p, (struct span){ line.s + 1, line.n - 1 });
	else if (!p->skip)
		parse_key(p, line);
}

static int check_text(struct parser *p, struct span *text)
{
	if (text->n > MANIFEST_SIZE_MAX) {
		parse_error(p, 1u, "%lu bytes of text; expected at most %lu",
			    (unsigned long)text->n, (unsigned long)MANIFEST_SIZE_MAX);
		return -EFBIG;
	}
	if (text->n >= 2 &&
	    (memcmp(text->s, "\xff\xfe", 2) == 0 || memcmp(text->s, "\xfe\xff", 2) == 0)) {
		parse_error(p, 1u, "the text is in UTF-16; expected UTF-8");
		return -EILSEQ;
	}
	if (text->n >= 3 && memcmp(text->s, "\xef\xbb\xbf", 3) == 0)
		*text = (struct span){ text->s + 3, text->n - 3 };
	return 0;
}

int manifest_parse(struct manifest *m, const char *text, size_t n)
{
	struct parser p = { .m = m, .vm_name = { "", 0 } };
	struct span rest = { text, n }, line;
	unsigned hidden;
	int err;

	memset(m, 0, sizeof(*m));
	err = check_text(&p, &rest);
	if (err)
		return err;
	while (rest.n > 0) {
		p.line++;
		if (!span_split(&rest, '\n', &line)) {
			line = rest;
			rest.n = 0;
		}
		parse_line(&p, line);
	}
	end_section(&p);
	if (m->vm_count == 0)
		parse_error(&p, MAX(p.line, 1u), "no VM; expected " EXPECT_SECTION " at least");
	hidden = m->errors - MIN(m->errors, (unsigned)MANIFEST_ERRORS_SHOWN);
	if (hidden)
		log_error("manifest: %u more errors not shown", hidden);
	return m->vm_count ? 0 : -ENOENT;
}

void manifest_free(struct manifest *m)
{
	for (unsigned i = 0; i < m->vm_count; i++)
		heap_free(m->vm[i]);
	memset(m, 0, sizeof(*m));
}
