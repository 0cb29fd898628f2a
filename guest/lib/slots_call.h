/* Neap's test hypercalls, by which a guest changes its memory slots: docs/manifest.md. */
#ifndef GUEST_SLOTS_CALL_H
#define GUEST_SLOTS_CALL_H

#include <stdint.h>

enum slots_op {
	SLOTS_CREATE,
	SLOTS_MOVE,
	SLOTS_DELETE,
	SLOTS_FLAGS,
	SLOTS_RESULT,
	SLOTS_LOG,
	SLOTS_OPS
};
#define SLOTS_READ_ONLY 1ull
#define SLOTS_DIRTY_LOG 2ull
#define SLOTS_NEW	UINT64_MAX
#define SLOTS_UNKNOWN	(-1) /* the answer where there are no such calls */
#define SLOTS_PAGE	4096ull

struct slots_call {
	enum slots_op op;
	uint64_t arg[5]; /* id, frame, pages, flags, source; or as the call has it */
};

/* Makes the call: 0, or why not. RESULT: the result of the last one, in *ticks what it took. */
int slots_make(const struct slots_call *call, uint64_t *ticks);

/* Makes the call and waits for its result. idle() is called in between, if given. */
int slots_do(const struct slots_call *call, void (*idle)(void), uint64_t *ticks);

#endif
