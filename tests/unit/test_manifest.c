/* The manifest: sections, limits, and what is said of errors. Its keys: test_manifest_keys.c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "manifest_case.h"

static void test_all_keys(void **state)
{
	(void)state;
	assert_int_equal(parse("# two machines\n"
			       "[vm web-1.x_Y]\n"
			       "cpus = 4\n"
			       "memory = 2G   # plenty\n"
			       "kernel=linux\n"
			       "  initrd\t=\tinitrd.gz  \n"
			       "cmdline = console=ttyS0 root=/dev/vda # quiet \n"
			       "uart = off\n"
			       "debug_exit = off # no\n"
			       "\n"
			       "[ vm  mach ] # the other\n"
			       "kernel = gnumach\n"
			       "memory = 65536K\n"
			       "cmdline = \" a  b \"\n"
			       "module = ext2fs   ext2fs --readonly # x\n"
			       "module = ld.so\n"
			       "module = exec \"quoted string\"\n"),
			 0);
	assert_int_equal(shim_log_count(), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(m.vm_count, 2);
	assert_false(m.bad[0]);
	assert_false(m.bad[1]);

	assert_string_equal(m.vm[0]->name, "web-1.x_Y");
	assert_int_equal(m.vm[0]->line, 2);
	assert_int_equal(m.vm[0]->cpus, 4);
	assert_true(m.vm[0]->memory == 2 * GIB);
	assert_string_equal(m.vm[0]->kernel, "linux");
	assert_string_equal(m.vm[0]->initrd, "initrd.gz");
	assert_string_equal(m.vm[0]->cmdline, "console=ttyS0 root=/dev/vda # quiet");
	assert_false(m.vm[0]->uart);
	assert_false(m.vm[0]->debug_exit);
	assert_int_equal(m.vm[0]->module_count, 0);

	assert_string_equal(m.vm[1]->name, "mach");
	assert_int_equal(m.vm[1]->line, 11);
	assert_true(m.vm[1]->memory == 64 * MIB);
	assert_string_equal(m.vm[1]->cmdline, " a  b ");
	assert_int_equal(m.vm[1]->module_count, 3);
	assert_string_equal(m.vm[1]->module[0].name, "ext2fs");
	assert_string_equal(m.vm[1]->module[0].cmdline, "ext2fs --readonly # x");
	assert_string_equal(m.vm[1]->module[1].name, "ld.so");
	assert_string_equal(m.vm[1]->module[1].cmdline, "ld.so");
	assert_string_equal(m.vm[1]->module[2].name, "exec");
	assert_string_equal(m.vm[1]->module[2].cmdline, "quoted string");
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse(VM_A), 0);
	assert_int_equal(m.vm[0]->cpus, 1);
	assert_int_equal(m.vm[0]->weight, VM_WEIGHT_DEFAULT);
	assert_false(m.vm[0]->processors_given);
	for (u32 i = 0; i < CPU_MAX; i++)
		assert_true(cpu_set_has(&m.vm[0]->processors, i));
	assert_true(m.vm[0]->uart);
	assert_true(m.vm[0]->debug_exit);
	assert_true(m.vm[0]->reboots == VM_REBOOTS_UNLIMITED);
	assert_string_equal(m.vm[0]->initrd, "");
	assert_string_equal(m.vm[0]->cmdline, "");
	manifest_free(&m);
	assert_int_equal(parse(VM_A "uart = on\ndebug_exit = on\ncmdline =\n"), 0);
	assert_true(m.vm[0]->uart);
	assert_int_equal(m.errors, 0);
}

static void test_bytes(void **state)
{
	(void)state;
	/* A byte order mark, CRLF, tabs, no newline at the end. */
	assert_int_equal(
		parse("\xef\xbb\xbf[vm a]\r\n\tmemory\t=\t1M\r\nkernel = k\r\n\r\ncpus = 2"), 0);
	assert_int_equal(m.errors, 0);
	assert_string_equal(m.vm[0]->kernel, "k");
	assert_int_equal(m.vm[0]->cpus, 2);
	manifest_free(&m);
	/* UTF-8 is left alone. */
	assert_int_equal(parse(VM_A "cmdline = gr\xc3\xbc\xc3\x9f\n"), 0);
	assert_string_equal(m.vm[0]->cmdline, "gr\xc3\xbc\xc3\x9f");
	manifest_free(&m);

	expect_error_n(VM_A "cmd\0line = x\n", sizeof(VM_A "cmd\0line = x\n") - 1,
		       "manifest:4: [vm a] NUL byte 0x00 in column 4; expected text", 0);
	expect_error_n("# \0\n" VM_A, sizeof("# \0\n" VM_A) - 1,
		       "manifest:1: NUL byte 0x00 in column 3; expected text", -1);
	expect_error(VM_A "cpus = \x1b"
			  "1\n",
		     "manifest:4: [vm a] control character 0x1b in column 8; expected text", 0);
	expect_error(VM_A "cpus = 1\x7f\n",
		     "manifest:4: [vm a] control character 0x7f in column 9; expected text", 0);
	expect_error(VM_A "cpus = 1\r\r\n",
		     "manifest:4: [vm a] control character 0x0d in column 9; expected text", 0);
}

static void test_not_a_manifest(void **state)
{
	(void)state;
	assert_int_equal(parse(""), -ENOENT);
	assert_true(shim_log_contains("manifest:1: no VM; expected a section [vm NAME] at least"));
	assert_int_equal(parse("# nothing\n\n"), -ENOENT);
	assert_true(shim_log_contains("manifest:2: no VM; expected"));
	assert_int_equal(manifest_parse(&m, NULL, 0), -ENOENT);
	assert_int_equal(parse_n("\xff\xfe[\0v\0", 6), -EILSEQ);
	assert_true(shim_log_contains("manifest:1: the text is in UTF-16; expected UTF-8"));
	assert_int_equal(m.errors, 1);
	assert_int_equal(parse_n("\xfe\xff\0[", 4), -EILSEQ);
	assert_int_equal(m.vm_count, 0);
}

static void test_sections_bad(void **state)
{
	(void)state;
	expect_error("[foo]\nx = 1\nanything\n" VM_A,
		     "manifest:1: unknown kind of section `foo`; expected [vm NAME]", -1);
	expect_error("[VM b]\n" VM_A,
		     "manifest:1: unknown kind of section `VM`; expected [vm NAME]", -1);
	expect_error("[]\n" VM_A, "manifest:1: unknown kind of section ``; expected [vm NAME]", -1);
	expect_error(VM_A "[vm b\nmemory = 3\n",
		     "manifest:4: `[` without `]`; expected a section [vm NAME]", -1);
	expect_error(VM_A "[vm b] c\n",
		     "manifest:4: `c` behind a section's `]`; expected the line's end", -1);
	expect_error(VM_A "[vm]\n",
		     "manifest:4: `` as the name of a VM; expected a name of 1 to 31 letters, "
		     "digits, `-`, `_` or `.`",
		     -1);
	expect_error(VM_A "[vm b c]\n",
		     "manifest:4: `b c` as the name of a VM; expected a name of 1 to 31 "
		     "letters, "
		     "digits, `-`, `_` or `.`",
		     -1);
	expect_error(VM_A "[vm b@]\nmemory = 1M\n",
		     "manifest:4: `b@` as the name of a VM; expected a name of 1 to 31 letters, "
		     "digits, `-`, `_` or `.`",
		     -1);
	expect_error("\n" VM_A "[vm a]\nkernel = other\n",
		     "manifest:5: [vm a] the VM of line 2 has that name; expected another", -1);
}

static void test_vm_name_length(void **state)
{
	char text[128];

	(void)state;
	snprintf(text, sizeof(text), "[vm %031d]\nmemory = 1M\nkernel = k\n", 0);
	assert_int_equal(parse(text), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(strlen(m.vm[0]->name), VM_NAME_MAX - 1);
	manifest_free(&m);
	snprintf(text, sizeof(text), "[vm %032d]\nmemory = 1M\nkernel = k\n", 0);
	assert_int_equal(parse(text), -ENOENT);
	assert_true(shim_log_contains("expected a name of 1 to 31 letters"));
}

static void append_vms(char *text, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		sprintf(text + strlen(text), "[vm v%u]\nmemory = 1M\nkernel = k\n", i);
}

static void test_vm_limit(void **state)
{
	char text[4096] = "";

	(void)state;
	append_vms(text, 0, MANIFEST_VM_MAX);
	assert_int_equal(parse(text), 0);
	assert_int_equal(m.errors, 0);
	assert_int_equal(m.vm_count, MANIFEST_VM_MAX);
	manifest_free(&m);
	append_vms(text, MANIFEST_VM_MAX, MANIFEST_VM_MAX + 1);
	expect_error(text, "manifest:97: [vm v32] one VM too many; expected at most 32", -1);
}

/* One VM's errors leave the others alone, and parsing goes on to find them all. */
static void test_errors_stay_with_their_vm(void **state)
{
	(void)state;
	assert_int_equal(parse("[vm a]\ncpus = 0\nmemory = 1\nkernel = k\n"
			       "[vm b]\nmemory = 1M\nkernel = k\n"
			       "[odd]\n"
			       "[vm c]\nfoo = 1\n"),
			 0);
	assert_int_equal(m.vm_count, 3);
	assert_true(m.bad[0]);
	assert_false(m.bad[1]);
	assert_true(m.bad[2]);
	assert_int_equal(m.errors, 6);
	assert_true(shim_log_contains("manifest:2: [vm a] cpus = `0`"));
	assert_true(shim_log_contains("manifest:3: [vm a] memory = `1`"));
	assert_true(shim_log_contains("manifest:8: unknown kind of section `odd`"));
	assert_true(shim_log_contains("manifest:10: [vm c] unknown key `foo`"));
	assert_true(shim_log_contains("manifest:9: [vm c] no `memory`"));
	assert_true(shim_log_contains("manifest:9: [vm c] no `kernel`"));
}

static void test_size_limit(void **state)
{
	char *text = malloc(MANIFEST_SIZE_MAX + 1);

	(void)state;
	memset(text, '#', MANIFEST_SIZE_MAX + 1);
	memcpy(text, VM_A, strlen(VM_A));
	assert_int_equal(manifest_parse(&m, text, MANIFEST_SIZE_MAX), 0);
	assert_int_equal(m.vm_count, 1);
	manifest_free(&m);
	shim_log_reset();
	assert_int_equal(manifest_parse(&m, text, MANIFEST_SIZE_MAX + 1), -EFBIG);
	assert_int_equal(m.vm_count, 0);
	assert_true(
		shim_log_contains("manifest:1: 1048577 bytes of text; expected at most 1048576"));
	free(text);
}

static void test_errors_shown(void **state)
{
	char text[1024] = "";

	(void)state;
	for (unsigned i = 0; i < MANIFEST_ERRORS_SHOWN - 1; i++)
		strcat(text, "junk\n");
	assert_int_equal(parse(text), -ENOENT); /* the last error: no VM */
	assert_int_equal(m.errors, MANIFEST_ERRORS_SHOWN);
	assert_int_equal(shim_log_count(), MANIFEST_ERRORS_SHOWN);
	strcat(text, "junk\n");
	assert_int_equal(parse(text), -ENOENT);
	assert_int_equal(m.errors, MANIFEST_ERRORS_SHOWN + 1);
	assert_int_equal(shim_log_count(), MANIFEST_ERRORS_SHOWN + 1);
	assert_string_equal(shim_log_last(), "manifest: 1 more errors not shown");
}

static void test_out_of_memory(void **state)
{
	(void)state;
	shim_heap_fail_after(2);
	assert_int_equal(parse(VM_A "[vm b]\nmemory = 1M\nkernel = k\n"
				    "[vm c]\nmemory = 1M\nkernel = k\n"),
			 0);
	assert_int_equal(m.vm_count, 2);
	assert_int_equal(m.errors, 1);
	assert_string_equal(m.vm[1]->name, "c");
	assert_false(m.bad[0] || m.bad[1]);
	assert_true(shim_log_contains("manifest:4: [vm b] no memory left for its configuration"));
}

/* The longest message is not cut short by the log. */
static void test_longest_message(void **state)
{
	char text[4096] = "";

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		strcat(text, "\n");
	sprintf(text + strlen(text), "[vm %031d]\nmemory = 1M\nkernel = k\n", 0);
	fill(text + strlen(text), 'x', 300);
	strcat(text, " = 1\n");
	assert_int_equal(parse(text), 0);
	assert_non_null(strstr(shim_log_last(), "xx...`; expected one of"));
	assert_non_null(strstr(shim_log_last(), "processors"));
	assert_true(strlen(shim_log_last()) < LOG_LINE_MAX - 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_keys),	  TEST(test_defaults),
		TEST(test_bytes),	  TEST(test_not_a_manifest),
		TEST(test_sections_bad),  TEST(test_vm_name_length),
		TEST(test_vm_limit),	  TEST(test_errors_stay_with_their_vm),
		TEST(test_size_limit),	  TEST(test_errors_shown),
		TEST(test_out_of_memory), TEST(test_longest_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
