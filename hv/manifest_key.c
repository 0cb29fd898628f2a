#include "hv/manifest_key.h"

#include "hv/hyperv/vp_index.h"
#include "hv/mmu/prefetch.h"

/* A constant's value in a message. */
#define STR(x)	#x
#define XSTR(x) STR(x)

#define EXPECT_CPUS    "a number of CPUs from 1 to " XSTR(VM_MAX_CPUS)
#define EXPECT_MEMORY  "a size from 1M to 1024G in steps of 4K, such as 512M or 2G"
#define EXPECT_TSC_HZ  "a frequency from 1M to 100G in steps of 1K, such as 2500M"
#define EXPECT_NAME    "the name of one boot module, at most 63 bytes"
#define EXPECT_SWITCH  "on or off"
#define EXPECT_LINE    "at most 1023 bytes, with both quotes or none"
#define EXPECT_REBOOTS "a number of restarts from 0 to 1000000"
#define EXPECT_MODULES "at most " XSTR(VM_MODULE_MAX) " modules"
#define EXPECT_WEIGHT  "a weight from 1 to " XSTR(VM_WEIGHT_MAX)
#define EXPECT_PROCS   "numbers of processors from 0 to 511 and ranges of them, such as 0-1,3"
#define EXPECT_VP_INDEX \
	"identity, reversed, or a list such as 1,0 of numbers from 0 to 4095, one for each CPU"
#define EXPECT_POPULATE	   "eager, lazy or lazy-4k"
#define EXPECT_PREFETCH	   "a number of pages from 0 to " XSTR(MAX_PTE_PREFETCH)
#define EXPECT_OTHER_INDEX "an index that no other CPU has"

/* The messages above spell these out. */
_Static_assert(VP_INDEX_MAX == 4096, "see EXPECT_VP_INDEX");
_Static_assert(VM_MIN_MEMORY == MIB && VM_MAX_MEMORY == 1024 * GIB, "see EXPECT_MEMORY");
_Static_assert(VM_TSC_MIN == 1000000 && VM_TSC_MAX == 100000000000 && VM_TSC_STEP == 1000,
	       "see EXPECT_TSC_HZ");
_Static_assert(MODULE_NAME_MAX == 64 && VM_CMDLINE_MAX == 1024, "see EXPECT_NAME, EXPECT_LINE");
_Static_assert(MODULE_NAME_MAX <= VM_CMDLINE_MAX, "a module's name can be its string");
_Static_assert(CPU_MAX == 512, "see EXPECT_PROCS");
_Static_assert(VM_MAX_REBOOTS == 1000000, "see EXPECT_REBOOTS");
_Static_assert(VM_MAX_CPUS >= 1 && VM_MODULE_MAX >= 1, "limits must let something through");

typedef const char *(*manifest_setter)(struct vm_config *vm, struct span value, struct span *bad);

/* Takes the only word of a value; false when there are none or several. */
static bool only_word(struct span value, struct span *word)
{
	*word = span_take_word(&value);
	return word->n > 0 && word->s[0] != '#' && span_is_blank(value);
}

static const char *set_cpus(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	u64 n;

	*bad = value;
	if (!only_word(value, &word) || !span_number(word, VM_MAX_CPUS, &n) || n == 0)
		return EXPECT_CPUS;
	vm->cpus = (unsigned)n;
	return NULL;
}

static const char *set_weight(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	u64 n;

	*bad = value;
	if (!only_word(value, &word) || !span_number(word, VM_WEIGHT_MAX, &n) || n == 0)
		return EXPECT_WEIGHT;
	vm->weight = (u32)n;
	return NULL;
}

/* One number, or two with a hyphen between them. */
static bool add_processors(struct cpu_set *set, struct span range)
{
	struct span last = range, first;
	u64 from, to;

	if (!span_split(&last, '-', &first))
		first = last;
	if (!span_number(span_trim(first), CPU_MAX - 1, &from) ||
	    !span_number(span_trim(last), CPU_MAX - 1, &to) || from > to)
		return false;
	for (; from <= to; from++)
		cpu_set_add(set, (u32)from);
	return true;
}

static const char *set_processors(struct vm_config *vm, struct span value, struct span *bad)
{
	struct cpu_set set = { { 0 } };
	struct span rest = value, comment, item;

	*bad = value;
	if (span_split(&rest, '#', &comment))
		rest = comment;
	else
		rest = value;
	while (span_split(&rest, ',', &item)) {
		if (!add_processors(&set, item))
			return EXPECT_PROCS;
	}
	if (!add_processors(&set, rest))
		return EXPECT_PROCS;
	vm->processors = set;
	vm->processors_given = true;
	return NULL;
}

static unsigned suffix_shift(char c)
{
	switch (c) {
	case 'k':
	case 'K':
		return 10;
	case 'm':
	case 'M':
		return 20;
	case 'g':
	case 'G':
		return 30;
	default:
		return 0;
	}
}

static const char *set_memory(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	unsigned shift;
	u64 n;

	*bad = value;
	if (!only_word(value, &word))
		return EXPECT_MEMORY;
	shift = suffix_shift(word.s[word.n - 1]);
	if (shift)
		word.n--;
	if (!span_number(word, VM_MAX_MEMORY >> shift, &n))
		return EXPECT_MEMORY;
	n <<= shift;
	if (n < VM_MIN_MEMORY || !IS_ALIGNED(n, PAGE_SIZE))
		return EXPECT_MEMORY;
	vm->memory = n;
	return NULL;
}

static const char *set_name(char *to, struct span value, struct span *bad)
{
	struct span word;

	*bad = value;
	if (!only_word(value, &word) || !span_copy(word, to, MODULE_NAME_MAX))
		return EXPECT_NAME;
	return NULL;
}

static const char *set_kernel(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_name(vm->kernel, value, bad);
}

static const char *set_initrd(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_name(vm->initrd, value, bad);
}

static const char *set_cmdline(struct vm_config *vm, struct span value, struct span *bad)
{
	*bad = value;
	if (!span_unquote(&value) || !span_copy(value, vm->cmdline, VM_CMDLINE_MAX))
		return EXPECT_LINE;
	return NULL;
}

static const char *set_module(struct vm_config *vm, struct span value, struct span *bad)
{
	struct vm_module_ref *ref;
	struct span name, line = value;

	*bad = value;
	if (vm->module_count >= VM_MODULE_MAX)
		return EXPECT_MODULES;
	ref = &vm->module[vm->module_count];
	name = span_take_word(&line);
	if (name.n == 0 || name.s[0] == '#' || !span_copy(name, ref->name, sizeof(ref->name)))
		return EXPECT_NAME;
	if (line.n == 0)
		line = name;
	*bad = line;
	if (!span_unquote(&line) || !span_copy(line, ref->cmdline, sizeof(ref->cmdline)))
		return EXPECT_LINE;
	vm->module_count++;
	return NULL;
}

static const char *set_switch(bool *to, struct span value, struct span *bad)
{
	struct span word;
	bool on;

	*bad = value;
	if (!only_word(value, &word))
		return EXPECT_SWITCH;
	on = span_equals(word, "on");
	if (!on && !span_equals(word, "off"))
		return EXPECT_SWITCH;
	*to = on;
	return NULL;
}

static const char *set_uart(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_switch(&vm->uart, value, bad);
}

static const char *set_debug_exit(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_switch(&vm->debug_exit, value, bad);
}

/* Hertz come in thousands, memory in 1024s. */
static u64 decimal_unit(char c)
{
	static const u64 units[] = { 1, 1000, 1000000, 1000000000 };

	return units[suffix_shift(c) / 10];
}

static const char *set_tsc_hz(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	u64 n, unit;

	*bad = value;
	if (!only_word(value, &word))
		return EXPECT_TSC_HZ;
	unit = decimal_unit(word.s[word.n - 1]);
	if (unit > 1)
		word.n--;
	if (!span_number(word, VM_TSC_MAX / unit, &n))
		return EXPECT_TSC_HZ;
	n *= unit;
	if (n < VM_TSC_MIN || n % VM_TSC_STEP)
		return EXPECT_TSC_HZ;
	vm->tsc_hz = n;
	return NULL;
}

static const char *set_reboots(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	u64 n;

	*bad = value;
	if (!only_word(value, &word) || !span_number(word, VM_MAX_REBOOTS, &n))
		return EXPECT_REBOOTS;
	vm->reboots = (u32)n;
	return NULL;
}

static const char *set_test_hypercalls(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_switch(&vm->test_hypercalls, value, bad);
}

static const char *set_hyperv(struct vm_config *vm, struct span value, struct span *bad)
{
	return set_switch(&vm->hyperv, value, bad);
}

/* The indexes of the vCPUs, in their order. */
static const char *set_vp_index_list(struct vm_config *vm, struct span value, struct span *bad)
{
	u64 taken[VP_INDEX_MAX / 64] = { 0 }, n;
	unsigned count = 0;
	struct span item;
	bool more = true;

	while (more) {
		more = span_split(&value, ',', &item);
		*bad = span_trim(more ? item : value);
		if (count == VM_MAX_CPUS || !only_word(*bad, &item) ||
		    !span_number(item, VP_INDEX_MAX - 1, &n))
			return EXPECT_VP_INDEX;
		if (taken[n / 64] & BIT(n % 64))
			return EXPECT_OTHER_INDEX;
		taken[n / 64] |= BIT(n % 64);
		vm->vp_index[count++] = (u16)n;
	}
	vm->vp_index_count = count;
	return NULL;
}

static const char *set_vp_index(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span list = value;

	/* A comment may have commas. */
	(void)span_split(&value, '#', &list);
	list = span_trim(list);
	if (span_equals(list, "identity"))
		return NULL;
	vm->vp_index_reversed = span_equals(list, "reversed");
	return vm->vp_index_reversed ? NULL : set_vp_index_list(vm, list, bad);
}

static const char *set_populate(struct vm_config *vm, struct span value, struct span *bad)
{
	static const char *const names[] = { [VM_POPULATE_EAGER] = "eager",
					     [VM_POPULATE_LAZY] = "lazy",
					     [VM_POPULATE_LAZY_4K] = "lazy-4k" };
	struct span word;

	*bad = value;
	if (!only_word(value, &word))
		return EXPECT_POPULATE;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (span_equals(word, names[i])) {
			vm->populate = (enum vm_populate)i;
			return NULL;
		}
	}
	return EXPECT_POPULATE;
}

static const char *set_prefetch(struct vm_config *vm, struct span value, struct span *bad)
{
	struct span word;
	u64 n;

	*bad = value;
	if (!only_word(value, &word) || !span_number(word, MAX_PTE_PREFETCH, &n))
		return EXPECT_PREFETCH;
	vm->prefetch = (u32)n;
	return NULL;
}

static const struct {
	const char *name;
	manifest_setter set;
} keys[KEY_COUNT] = {
	[KEY_CPUS] = { "cpus", set_cpus },
	[KEY_MEMORY] = { "memory", set_memory },
	[KEY_KERNEL] = { "kernel", set_kernel },
	[KEY_INITRD] = { "initrd", set_initrd },
	[KEY_CMDLINE] = { "cmdline", set_cmdline },
	[KEY_MODULE] = { "module", set_module },
	[KEY_UART] = { "uart", set_uart },
	[KEY_DEBUG_EXIT] = { "debug_exit", set_debug_exit },
	[KEY_WEIGHT] = { "weight", set_weight },
	[KEY_PROCESSORS] = { "processors", set_processors },
	[KEY_TSC_HZ] = { "tsc_hz", set_tsc_hz },
	[KEY_REBOOTS] = { "reboots", set_reboots },
	[KEY_TEST_HYPERCALLS] = { "test_hypercalls", set_test_hypercalls },
	[KEY_HYPERV] = { "hyperv", set_hyperv },
	[KEY_VP_INDEX] = { "vp_index", set_vp_index },
	[KEY_POPULATE] = { "populate", set_populate },
	[KEY_PREFETCH] = { "prefetch", set_prefetch },
};

enum manifest_key manifest_find_key(struct span name)
{
	enum manifest_key key = KEY_CPUS;

	while (key < KEY_COUNT && !span_equals(name, keys[key].name))
		key++;
	return key;
}

const char *manifest_key_name(enum manifest_key key)
{
	return keys[key].name;
}

const char *manifest_set_key(struct vm_config *vm, enum manifest_key key, struct span value,
			     struct span *bad)
{
	return keys[key].set(vm, span_trim(value), bad);
}
