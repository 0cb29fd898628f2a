/* A slot of the test's own: made, changed, and its log read. */
#include <stdio.h>
#include "dirty.h"

static int log_call(const struct slots_call *call, void (*idle)(void), uint64_t *ticks)
{
	int result = slots_do(call, idle, ticks);

	if (result < 0)
		printf("dirty: call %u of slot %u: FAILED: %d\n", call->op,
		       (unsigned int)call->arg[0], result);
	return result;
}

bool dirty_create(const struct dirty_slot *s, uint64_t flags)
{
	const struct slots_call call = { SLOTS_CREATE,
					 { s->id, s->gfn, s->pages, flags, SLOTS_NEW } };

	return log_call(&call, NULL, NULL) == 0;
}

bool dirty_delete(const struct dirty_slot *s)
{
	return log_call(&(struct slots_call){ SLOTS_DELETE, { s->id } }, NULL, NULL) == 0;
}

bool dirty_move(struct dirty_slot *s, uint64_t gfn)
{
	const struct slots_call call = { SLOTS_MOVE, { s->id, gfn } };

	if (log_call(&call, NULL, NULL))
		return false;
	s->gfn = gfn;
	return true;
}

bool dirty_switch(const struct dirty_slot *s, bool on, void (*idle)(void))
{
	const struct slots_call call = { SLOTS_FLAGS, { s->id, on ? SLOTS_DIRTY_LOG : 0 } };

	return log_call(&call, idle, NULL) == 0;
}

int dirty_read(struct dirty_slot *s, void (*idle)(void), uint64_t *ticks)
{
	const struct slots_call call = { SLOTS_LOG, { s->id, 0, s->pages, (uintptr_t)s->log } };

	return log_call(&call, idle, ticks);
}

int dirty_read_to(const struct dirty_slot *s, uint64_t address)
{
	return log_call(&(struct slots_call){ SLOTS_LOG, { s->id, 0, s->pages, address } }, NULL,
			NULL);
}
