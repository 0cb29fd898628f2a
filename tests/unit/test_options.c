/* What is said of words on Neap's command line that are no options. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "hv/options.h"

#include "shim.h"

static void expect(const char *cmdline, unsigned count, const char *last)
{
	shim_log_reset();
	options_check(cmdline);
	assert_int_equal(shim_log_count(), count);
	if (count)
		assert_string_equal(shim_log_last(), last);
}

static void test_good(void **unused)
{
	(void)unused;
	expect("", 0, NULL);
	expect("  \t ", 0, NULL);
	expect("neap.elf quiet", 0, NULL);
	expect("serial=io:0x3f8,9600 console=all linger=5 boot_cpu=on", 0, NULL);
	expect("vid=on vid=off posted=on posted=off", 0, NULL);
	expect("dirty=wp dirty=ad dirty=pml", 0, NULL);
	expect("panic=test panic=fault panic=write panic=overflow", 0, NULL);
	/* Their readers say it. */
	expect("serial=x console=nobody linger=long boot_cpu=perhaps", 0, NULL);
}

static void test_value(void **unused)
{
	const char *values = "command line: `dirty=foo` is ignored; expected one of: wp ad pml";

	(void)unused;
	expect("dirty=foo", 1, values);
	expect("dirty=wp dirty=foo linger=0", 1, values);
	expect("vid=", 1, "command line: `vid=` is ignored; expected one of: on off");
	expect("posted=of", 1, "command line: `posted=of` is ignored; expected one of: on off");
	expect("dirty=pml=", 1,
	       "command line: `dirty=pml=` is ignored; expected one of: wp ad pml");
	expect("dirty=x panic=y", 2,
	       "command line: `panic=y` is ignored; expected one of: test fault "
	       "write overflow");
}

static void test_key(void **unused)
{
	(void)unused;
	expect("dirtty=wp", 1, "command line: there is no option `dirtty=wp`");
	expect("=", 1, "command line: there is no option `=`");
	expect("Dirty=wp", 1, "command line: there is no option `Dirty=wp`");
	expect("dirty=wp consol=all\tvidd=on", 2, "command line: there is no option `vidd=on`");
	expect("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz=1", 1,
	       "command line: there is no option `abcdefghijklmnopqrstuvwxyzabcdefghijklmn...`");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_value),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
