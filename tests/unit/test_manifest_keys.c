/* The keys of a VM in the manifest: what each takes, and what it refuses. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "hv/manifest_key.h"
#include "manifest_case.h"

static void test_keys_bad(void **state)
{
	(void)state;
	expect_error(
		VM_A "foo = 1\n",
		"manifest:4: [vm a] unknown key `foo`; expected one of: cpus, memory, kernel, "
		"initrd, cmdline, module, uart, debug_exit, weight, processors, tsc_hz, reboots, "
		"test_hypercalls, hyperv, vp_index, populate, prefetch",
		0);
	expect_error(
		VM_A "CPUS = 1\n",
		"manifest:4: [vm a] unknown key `CPUS`; expected one of: cpus, memory, kernel, "
		"initrd, cmdline, module, uart, debug_exit, weight, processors, tsc_hz, reboots, "
		"test_hypercalls, hyperv, vp_index, populate, prefetch",
		0);
	expect_error(VM_A "= 1\n",
		     "manifest:4: [vm a] unknown key ``; expected one of: " MANIFEST_KEYS, 0);
	expect_error(VM_A "cpus 1\n",
		     "manifest:4: [vm a] `cpus 1` without `=`; expected key = value", 0);
	expect_error("cpus = 2\n" VM_A,
		     "manifest:1: key `cpus` before any section; expected [vm NAME]", -1);
	expect_error(VM_A "cpus = 1\n#\ncpus = 1\n",
		     "manifest:6: [vm a] `cpus` again, first given on line 4; expected it once", 0);
	expect_error(VM_A "memory = 1M\n",
		     "manifest:4: [vm a] `memory` again, first given on line 2; expected "
		     "it once",
		     0);
	expect_error("[vm a]\nkernel = k\n\n",
		     "manifest:1: [vm a] no `memory`; expected memory = ... in this section", 0);
	expect_error("\n[vm b]\nmemory = 1M\n" VM_A,
		     "manifest:2: [vm b] no `kernel`; expected kernel = ... in this section", 0);
}

/* Every key in the message is one, and every key is in the message. */
static void test_key_list(void **state)
{
	char list[256] = "";

	(void)state;
	for (enum manifest_key k = 0; k < KEY_COUNT; k++) {
		const char *name = manifest_key_name(k);

		assert_int_equal(manifest_find_key((struct span){ name, strlen(name) }), k);
		strcat(list, k ? ", " : "");
		strcat(list, name);
	}
	assert_string_equal(list, MANIFEST_KEYS);
	assert_int_equal(manifest_find_key((struct span){ "cpu", 3 }), KEY_COUNT);
}

/* Each value of a key that must be refused, with the message. */
static void refuse(const char *key, const char *value, const char *expected)
{
	char text[4096], message[LOG_LINE_MAX];
	const char *other = strcmp(key, "memory") == 0 ? "kernel = k\n" : "memory = 1M\n";
	const char *third =
		strcmp(key, "memory") == 0 || strcmp(key, "kernel") == 0 ? "" : "kernel = k\n";

	snprintf(text, sizeof(text), "[vm a]\n%s = %s\n%s%s", key, value, other, third);
	snprintf(message, sizeof(message), "manifest:2: [vm a] %s = `%.40s%s`; expected %s", key,
		 value, strlen(value) > 40 ? "..." : "", expected);
	expect_error(text, message, 0);
}

static void accept(const char *key, const char *value)
{
	char text[4096];
	const char *memory = strcmp(key, "memory") ? "memory = 1M\n" : "";
	const char *kernel = strcmp(key, "kernel") ? "kernel = k\n" : "";

	snprintf(text, sizeof(text), "[vm a]\n%s = %s\n%s%s", key, value, memory, kernel);
	assert_int_equal(parse(text), 0);
	if (m.errors)
		fail_msg("%s = %s: %s", key, value, shim_log_last());
}

static void test_cpus(void **state)
{
	static const char *const bad[] = { "",	   "0",	  "4097", "-1", "+1",
					   "0x10", "two", "1 2",  "1,", "18446744073709551617",
					   "#",	   "4 K" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("cpus", bad[i], "a number of CPUs from 1 to 4096");
	accept("cpus", "1");
	assert_int_equal(m.vm[0]->cpus, 1);
	manifest_free(&m);
	accept("cpus", "4096");
	assert_int_equal(m.vm[0]->cpus, VM_MAX_CPUS);
	manifest_free(&m);
	accept("cpus", "0007 # seven");
	assert_int_equal(m.vm[0]->cpus, 7);
}

static void test_tsc_hz(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"1",
		"999999",
		"999K",
		"1000001",
		"1000500",
		"1.5G",
		"2 G",
		"-1G",
		"2GHz",
		"101G",
		"100001M",
		"100000001K",
		"1T",
		"100000001000",
		"18446744073709552000",
		"18446744073709552K",
		"fast",
	};
	static const struct {
		const char *text;
		u64 hz;
	} good[] = {
		{ "1M", 1000000 },
		{ "1000K", 1000000 },
		{ "1000000", 1000000 },
		{ "2500m", 2500000000 },
		{ "3G", 3000000000 },
		{ "2400001k", 2400001000 },
		{ "100G", 100000000000 },
		{ "100000M", 100000000000 },
		{ "100000000000 # much", 100000000000 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("tsc_hz", bad[i],
		       "a frequency from 1M to 100G in steps of 1K, such as 2500M");
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		accept("tsc_hz", good[i].text);
		assert_int_equal(m.vm[0]->tsc_hz, good[i].hz);
		manifest_free(&m);
	}
	assert_int_equal(parse(VM_A), 0);
	assert_int_equal(m.vm[0]->tsc_hz, 0);
}

static void test_memory(void **state)
{
	static const char *const bad[] = {
		"",	 "0",	     "M",	    "512",	     "1M1",
		"1MB",	 "1 M",	     "1023K",	    "1025K",	     "1048577",
		"1025G", "1048577M", "1073741825K", "1099511627777", "18014398509481985K",
		"1.5G",	 "-1M",	     "1T",
	};
	static const struct {
		const char *text;
		u64 bytes;
	} good[] = {
		{ "1M", MIB },		 { "1048576", MIB },
		{ "1024k", MIB },	 { "1028K", 1028 * KIB },
		{ "1024G", 1024 * GIB }, { "1g", GIB },
		{ "512m", 512 * MIB },	 { "1099511627776", VM_MAX_MEMORY },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("memory", bad[i],
		       "a size from 1M to 1024G in steps of 4K, such as 512M or 2G");
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		accept("memory", good[i].text);
		assert_true(m.vm[0]->memory == good[i].bytes);
		manifest_free(&m);
	}
}

static void test_names(void **state)
{
	static const char *const keys[] = { "kernel", "initrd", "module" };
	char name[MODULE_NAME_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		refuse(keys[i], "", "the name of one boot module, at most 63 bytes");
		refuse(keys[i], "# no", "the name of one boot module, at most 63 bytes");
		fill(name, 'n', MODULE_NAME_MAX);
		refuse(keys[i], name, "the name of one boot module, at most 63 bytes");
		fill(name, 'n', MODULE_NAME_MAX - 1);
		accept(keys[i], name);
		if (i == 0)
			assert_string_equal(m.vm[0]->kernel, name);
		manifest_free(&m);
	}
	refuse("kernel", "two words", "the name of one boot module, at most 63 bytes");
	refuse("initrd", "a b", "the name of one boot module, at most 63 bytes");
}

static void test_lines(void **state)
{
	char line[VM_CMDLINE_MAX + 8], module[VM_CMDLINE_MAX + 16];

	(void)state;
	fill(line, 'c', VM_CMDLINE_MAX);
	refuse("cmdline", line, "at most 1023 bytes, with both quotes or none");
	line[VM_CMDLINE_MAX - 1] = '\0';
	accept("cmdline", line);
	assert_string_equal(m.vm[0]->cmdline, line);
	manifest_free(&m);
	/* Quotes do not count. */
	fill(line, '"', VM_CMDLINE_MAX + 1);
	memset(line + 1, 'q', VM_CMDLINE_MAX - 1);
	accept("cmdline", line);
	assert_int_equal(strlen(m.vm[0]->cmdline), VM_CMDLINE_MAX - 1);
	manifest_free(&m);

	refuse("cmdline", "\"", "at most 1023 bytes, with both quotes or none");
	refuse("cmdline", "\"open", "at most 1023 bytes, with both quotes or none");
	accept("cmdline", "\"\"");
	assert_string_equal(m.vm[0]->cmdline, "");
	manifest_free(&m);
	accept("cmdline", "a=\"b c\"");
	assert_string_equal(m.vm[0]->cmdline, "a=\"b c\"");
	manifest_free(&m);

	strcpy(module, "m ");
	fill(module + 2, 's', VM_CMDLINE_MAX - 1);
	accept("module", module);
	assert_string_equal(m.vm[0]->module[0].cmdline, module + 2);
	manifest_free(&m);
	expect_error(VM_A "module = m \"x\n",
		     "manifest:4: [vm a] module = `\"x`; expected at most 1023 bytes, with both "
		     "quotes or none",
		     0);
}

static void test_module_limit(void **state)
{
	char text[1024] = VM_A;

	(void)state;
	for (unsigned i = 0; i < VM_MODULE_MAX; i++)
		strcat(text, "module = m\n");
	assert_int_equal(parse(text), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(m.vm[0]->module_count, VM_MODULE_MAX);
	manifest_free(&m);
	strcat(text, "module = m 9\n");
	expect_error(text, "manifest:12: [vm a] module = `m 9`; expected at most 8 modules", 0);
}

static void test_switches(void **state)
{
	static const char *const bad[] = { "", "yes", "1", "ON", "on off", "of", "o" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		refuse("uart", bad[i], "on or off");
		refuse("debug_exit", bad[i], "on or off");
		refuse("test_hypercalls", bad[i], "on or off");
		refuse("hyperv", bad[i], "on or off");
	}
}

static void test_weight(void **state)
{
	static const char *const bad[] = { "", "0", "1001", "-1", "10 20", "x", "99999999999999" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("weight", bad[i], "a weight from 1 to 1000");
	accept("weight", "1");
	assert_int_equal(m.vm[0]->weight, 1);
	manifest_free(&m);
	accept("weight", "1000 # much");
	assert_int_equal(m.vm[0]->weight, VM_WEIGHT_MAX);
}

#define EXPECT_PROCESSORS "numbers of processors from 0 to 511 and ranges of them, such as 0-1,3"

static void test_processors(void **state)
{
	static const char *const bad[] = { "",	   "512", "0-512", "3-1",   "1,",  ",1",
					   "1,,2", "1-",  "-1",	   "1-2-3", "a",   "0 1",
					   "# 1",  "1;2", "0x1",   "*",	    "all", "1..3" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("processors", bad[i], EXPECT_PROCESSORS);
	accept("processors", "0-1, 3 ,64 - 66 # some");
	assert_true(m.vm[0]->processors_given);
	for (u32 i = 0; i < CPU_MAX; i++)
		assert_int_equal(cpu_set_has(&m.vm[0]->processors, i),
				 i < 2 || i == 3 || (i >= 64 && i <= 66));
	manifest_free(&m);
	accept("processors", "511");
	assert_int_equal(cpu_set_next(&m.vm[0]->processors, 0), CPU_MAX - 1);
	manifest_free(&m);
	accept("processors", "0-511,7");
	assert_int_equal(cpu_set_next(&m.vm[0]->processors, 500), 500);
}

static void test_reboots(void **state)
{
	static const char *const bad[] = { "", "-1", "1000001", "many", "1 2", "4294967295", "on" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		refuse("reboots", bad[i], "a number of restarts from 0 to 1000000");
	assert_int_equal(parse(VM_A "reboots = 0\n"), 0);
	assert_int_equal(m.vm[0]->reboots, 0);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "reboots = 1000000 # the most\n"), 0);
	assert_int_equal(m.vm[0]->reboots, VM_MAX_REBOOTS);
}

#define INDEX_EXPECTED \
	"identity, reversed, or a list such as 1,0 of numbers from 0 to 4095, one for each CPU"

static void test_vp_index(void **state)
{
	(void)state;
	assert_int_equal(parse(VM_A), 0);
	assert_false(m.vm[0]->hyperv);
	assert_int_equal(m.vm[0]->vp_index_count, 0);
	manifest_free(&m);
	/* Before or behind the number of CPUs. */
	assert_int_equal(parse(VM_A "hyperv = on\nvp_index = reversed # so\ncpus = 3\n"), 0);
	assert_int_equal(m.errors, 0);
	assert_true(m.vm[0]->hyperv);
	assert_int_equal(m.vm[0]->vp_index_count, 3);
	assert_int_equal(m.vm[0]->vp_index[0], 2);
	assert_int_equal(m.vm[0]->vp_index[2], 0);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "cpus = 3\nvp_index = 4095 ,0,\t7 # a, b\n"), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(m.vm[0]->vp_index[0], 4095);
	assert_int_equal(m.vm[0]->vp_index[1], 0);
	assert_int_equal(m.vm[0]->vp_index[2], 7);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "cpus = 3\nvp_index = identity\n"), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(m.vm[0]->vp_index_count, 0);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "hyperv = on\nvp_index = identity\n"), 0);
	assert_int_equal(shim_log_count(), 0);
}

/* The VM is started; but what it was given is not what it gets. */
static void test_vp_index_unused(void **state)
{
	(void)state;
	assert_int_equal(parse(VM_A "hyperv = off\nvp_index = reversed\n"), 0);
	assert_int_equal(shim_log_count(), 1);
	assert_string_equal(shim_log_last(), "manifest:5: [vm a] `vp_index` has no effect without "
					     "`hyperv = on`");
	assert_int_equal(m.errors, 0);
	assert_false(m.bad[0]);
}

static void test_populate(void **state)
{
	static const char *const odd[] = { "", "Lazy", "lazy4k", "lazy 4k", "on", "lazy-4k lazy" };

	(void)state;
	assert_int_equal(parse(VM_A), 0);
	assert_int_equal(m.vm[0]->populate, VM_POPULATE_EAGER);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "populate = lazy # so\n"), 0);
	assert_int_equal(m.vm[0]->populate, VM_POPULATE_LAZY);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "populate = lazy-4k\n"), 0);
	assert_int_equal(m.vm[0]->populate, VM_POPULATE_LAZY_4K);
	manifest_free(&m);
	assert_int_equal(parse(VM_A "populate = eager\n"), 0);
	assert_int_equal(m.vm[0]->populate, VM_POPULATE_EAGER);
	manifest_free(&m);
	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++)
		refuse("populate", odd[i], "eager, lazy or lazy-4k");
}

/* The edges of MAX_PTE_PREFETCH. */
static void test_prefetch(void **state)
{
	static const char *const odd[] = { "129", "-1", "4294967296", "0x8", "8 9", "8K" };
	static const struct {
		const char *line;
		u32 number;
	} good[] = { { "prefetch = 0\n", 0 },
		     { "prefetch = 1\n", 1 },
		     { "prefetch = 127\n", 127 },
		     { "prefetch = 128\n", 128 } };
	char text[128];

	(void)state;
	assert_int_equal(parse(VM_A), 0);
	assert_int_equal(m.vm[0]->prefetch, VM_PREFETCH_DEFAULT);
	for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
		manifest_free(&m);
		snprintf(text, sizeof(text), VM_A "%s", good[i].line);
		assert_int_equal(parse(text), 0);
		assert_int_equal(m.errors, 0);
		assert_int_equal(m.vm[0]->prefetch, good[i].number);
	}
	manifest_free(&m);
	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++)
		refuse("prefetch", odd[i], "a number of pages from 0 to 128");
}

static void test_vp_index_bad(void **state)
{
	static const char *const odd[] = { "4096", "-1", "backwards", "0x1", "1 2" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(odd); i++)
		refuse("vp_index", odd[i], INDEX_EXPECTED);
	expect_error(VM_A "cpus = 2\nvp_index = 1,\n",
		     "manifest:5: [vm a] vp_index = ``; expected " INDEX_EXPECTED, 0);
	expect_error(VM_A "cpus = 3\nvp_index = 0,1,0\n",
		     "manifest:5: [vm a] vp_index = `0`; expected an index that no other CPU has",
		     0);
	expect_error(VM_A "cpus = 3\nvp_index = 1,0\n",
		     "manifest:5: [vm a] 2 indexes in `vp_index`; expected 3, as `cpus` says", 0);
	expect_error(VM_A "vp_index = 1,0\n",
		     "manifest:4: [vm a] 2 indexes in `vp_index`; expected 1, as `cpus` says", 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_keys_bad),	 TEST(test_key_list),	     TEST(test_cpus),
		TEST(test_tsc_hz),	 TEST(test_memory),	     TEST(test_names),
		TEST(test_lines),	 TEST(test_module_limit),    TEST(test_switches),
		TEST(test_weight),	 TEST(test_processors),	     TEST(test_reboots),
		TEST(test_vp_index),	 TEST(test_populate),	     TEST(test_prefetch),
		TEST(test_vp_index_bad), TEST(test_vp_index_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
