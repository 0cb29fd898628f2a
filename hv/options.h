/* The words of Neap's command line, as a whole. Each is read where it is used. */
#ifndef NEAP_HV_OPTIONS_H
#define NEAP_HV_OPTIONS_H

/*
 * Warns of words with `=` that are no option, or whose value is none of the option's: a slip of the
 * pen would pass unnoticed, since nobody looks for such a word. Words without `=` may be a loader's
 * and are not looked at. cmdline: a string, as loader_info.c bounds it. Once, where logging may
 * wait.
 */
void options_check(const char *cmdline);

#endif
