/* Provokes a panic on request, so that what it prints can be looked at, and tested. */
#ifndef NEAP_CORE_PANIC_TEST_H
#define NEAP_CORE_PANIC_TEST_H

/*
 * Acts on panic=test (an assertion), panic=fault (a wild pointer), panic=write (into the text) and
 * panic=overflow (of the stack) on the command line; returns without one. Boot CPU, at boot.
 */
void panic_test(const char *cmdline);

#endif
