/* Neap's command line as firmware and files give it. Needs nothing but string.h. */
#ifndef NEAP_BOOT_EFI_OPTIONS_H
#define NEAP_BOOT_EFI_OPTIONS_H

#include "core/types.h"

enum options_result {
	OPTIONS_NONE,	/* nothing but blanks */
	OPTIONS_TAKEN,	/* all of it is in the buffer */
	OPTIONS_CUT,	/* the first bytes of it are */
	OPTIONS_BINARY, /* not text: boot options may carry anything; the buffer is empty */
};

/*
 * LoadOptions (UEFI 2.10, 9.1.1): size bytes of UTF-16, up to a terminating zero if any. The
 * program's name in front is left out: the first word if named says that there is one, as the shell
 * does, else if it ends in ".efi". A name may be in double quotes. The text goes to room bytes.
 */
enum options_result options_from_load_options(const void *options, size_t size, bool named,
					      char *to, size_t room);

/*
 * The same from a text file of n bytes: ends of lines and other controls become blanks, a UTF-8
 * byte order mark is skipped.
 */
enum options_result options_from_text(const char *text, size_t n, char *to, size_t room);

#endif
