/*
 * The manifest: the text file that says which virtual machines there are. docs/manifest.md is its
 * manual page.
 */
#ifndef NEAP_HV_MANIFEST_H
#define NEAP_HV_MANIFEST_H

#include "core/types.h"
#include "hv/config.h"

/* Longest manifest, in bytes. */
#define MANIFEST_SIZE_MAX (1 * MIB)
/* Errors that are printed; the others are counted. A file that is no manifest has one a line. */
#define MANIFEST_ERRORS_SHOWN 64

struct manifest {
	unsigned vm_count;
	struct vm_config *vm[MANIFEST_VM_MAX]; /* in the order of the text; on the heap */
	bool bad[MANIFEST_VM_MAX];	       /* vm[i] has an error: not to be started */
	unsigned errors;		       /* all of them, in VMs or elsewhere */
};

/*
 * Reads n bytes of text (not trusted, no terminating zero needed). Each error is logged as
 * "manifest:LINE: [vm NAME] what was found; expected what"; it makes its VM bad and parsing goes
 * on. So 0 only says that there are VMs to look at; look at bad[], too. -EFBIG: longer than
 * MANIFEST_SIZE_MAX; -EILSEQ: not UTF-8 but UTF-16; -ENOENT: no VM in it; all logged.
 * manifest_free() after any of these. Boot or worker context; time linear in n.
 */
int manifest_parse(struct manifest *m, const char *text, size_t n) __must_check;

/* Frees the VMs' configurations. Twice does no harm. */
void manifest_free(struct manifest *m);

#endif
