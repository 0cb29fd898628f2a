#include "hv/slot_call.h"

#include <errno.h>

#include "core/atomic.h"
#include "core/sched.h"
#include "core/time.h"
#include "hv/exit.h"
#include "hv/guest_mem.h"
#include "hv/mmu/dirty_log.h"
#include "hv/vcpu.h"
#include "hv/vm.h"
#include "hv/vm_slots.h"

enum slot_call_state {
	CALL_FREE,   /* a vCPU may make a call */
	CALL_TAKEN,  /* a vCPU writes a call down, or takes its result */
	CALL_QUEUED, /* the worker's */
	CALL_DONE,   /* the result waits */
};

#define WORK_QUEUED BIT(1)
static struct thread worker;

/* The part of a log that is being read; the worker's. */
static u64 log_words[DIRTY_CHUNK_WORDS];
#define LOG_PAGES DIRTY_CHUNK_PAGES

/* Guards queue. */
static struct spinlock lock = SPINLOCK_INIT;
static struct list queue = LIST_INIT(queue);

/* --- the worker --- */

static bool has_devices(u64 gfn, u64 pages)
{
	const u64 first = VM_DEVICES_BASE >> PAGE_SHIFT, end = VM_DEVICES_END >> PAGE_SHIFT;

	return gfn < end && (gfn >= first || pages > first - gfn);
}

/* A guest may have as much again as its manifest gives it. */
static int make_frames(struct vm *vm, const struct slot_spec *spec, struct slot_backing **out)
{
	u64 most = vm->config->memory >> PAGE_SHIFT;
	int err;

	if (spec->pages > most || vm->slot_call.pages + (s64)spec->pages > (s64)most)
		return -ENOMEM;
	err = slot_backing_alloc(spec->base, spec->pages, true, out);
	if (!err)
		vm->slot_call.pages += (s64)spec->pages;
	return err;
}

/* This worker is who changes the VM's slots: what it finds stays. */
static int share_frames(struct vm *vm, u64 source, u64 pages, struct slot_backing **out)
{
	struct slot_gap gap;
	const struct slot *s = slot_set_search(slots_active(&vm->slots), GFN(source), &gap);

	return s ? slot_backing_share(s->backing, source - s->base.v, pages, out) : -ENOENT;
}

/* Before a backing is freed: what the host gets back by that. */
static void give_back(struct vm *vm, const struct slot_backing *b)
{
	if (b->frames->users == 1)
		vm->slot_call.pages -= (s64)slot_frames_pages(b->frames);
}

static int create(struct vm *vm, const u64 *arg)
{
	const struct slot_spec spec = {
		.id = (u32)arg[0], .base = GFN(arg[1]), .pages = arg[2], .flags = (u32)arg[3]
	};
	struct slot_backing *b;
	int err;

	if (arg[0] > UINT32_MAX || arg[3] > UINT32_MAX || !spec.pages ||
	    has_devices(arg[1], arg[2]))
		return -EINVAL;
	if (arg[4] == SLOT_CALL_NEW)
		err = make_frames(vm, &spec, &b);
	else
		err = share_frames(vm, arg[4], spec.pages, &b);
	if (err)
		return err;
	err = slots_create(&vm->slots, &spec, b);
	if (err) {
		give_back(vm, b);
		slot_backing_free(b);
	}
	return err;
}

static struct slot *find(struct vm *vm, u64 id)
{
	return id > UINT32_MAX ? NULL : slot_set_find_id(slots_active(&vm->slots), (u32)id);
}

static int move(struct vm *vm, const u64 *arg)
{
	const struct slot *s = find(vm, arg[0]);

	if (!s)
		return -ENOENT;
	return has_devices(arg[1], s->pages) ? -EINVAL : slots_move(&vm->slots, s->id, GFN(arg[1]));
}

static int delete (struct vm *vm, const u64 *arg)
{
	const struct slot *s = find(vm, arg[0]);
	s64 pages = vm->slot_call.pages;
	int err;

	if (!s)
		return -ENOENT;
	give_back(vm, s->backing);
	err = slots_delete(&vm->slots, s->id);
	if (err)
		vm->slot_call.pages = pages;
	return err;
}

static int set_flags(struct vm *vm, const u64 *arg)
{
	const struct slot *s = find(vm, arg[0]);

	if (!s)
		return -ENOENT;
	return arg[1] > UINT32_MAX ? -EINVAL : slots_set_flags(&vm->slots, s->id, (u32)arg[1]);
}

/* Of pages whose bitmap fills log_words. */
static int read_part(struct vm *vm, const struct dirty_range *r, gpa_t to, u64 *count)
{
	u64 words = (r->pages + DIRTY_WORD_PAGES - 1) / DIRTY_WORD_PAGES;
	int err = dirty_log_read(vm, r, log_words, count);

	if (err)
		return err;
	err = guest_mem_write(vm, to, log_words, words * sizeof(u64));
	if (err)
		dirty_log_put_back(vm, r, log_words);
	return err;
}

static int read_log(struct vm *vm, const u64 *arg)
{
	u64 pages = arg[2], to = arg[3], sum = 0, count;
	const struct slot *s = find(vm, arg[0]);
	struct dirty_range r = { .first = arg[1] };

	if (!s)
		return -ENOENT;
	/* What is left is checked for each part; as many as this, and their sum is an int. */
	if (!pages || pages > s->pages || s->pages > INT32_MAX)
		return -EINVAL;
	for (r.id = s->id; pages; pages -= r.pages) {
		int err;

		r.pages = MIN(pages, (u64)LOG_PAGES);
		err = read_part(vm, &r, GPA(to), &count);
		if (err)
			return err;
		r.first += r.pages;
		to += LOG_PAGES / 8;
		sum += count;
	}
	return (int)sum;
}

static int (*const operations[])(struct vm *vm, const u64 *arg) = {
	[SLOT_CALL_CREATE] = create,   [SLOT_CALL_MOVE] = move,	   [SLOT_CALL_DELETE] = delete,
	[SLOT_CALL_FLAGS] = set_flags, [SLOT_CALL_LOG] = read_log,
};

static void carry_out(struct slot_call *c)
{
	struct vm *vm = container_of(c, struct vm, slot_call);
	u64 start = time_now();

	c->result = operations[c->op](vm, c->arg);
	c->ticks = time_now() - start;
	/* Release: the result before the state; after it the VM may go. */
	store_release(&c->state, (u32)CALL_DONE);
}

static struct slot_call *next_call(void)
{
	struct slot_call *c = NULL;

	spin_lock(&lock);
	if (!list_empty(&queue)) {
		c = list_entry(queue.next, struct slot_call, node);
		list_remove(&c->node);
	}
	spin_unlock(&lock);
	return c;
}

static void worker_main(void *arg)
{
	struct slot_call *c;

	(void)arg;
	for (;;) {
		sched_block(WORK_QUEUED);
		/* Full barrier: what is queued after this is seen as a bit set again. */
		atomic_fetch_and(&worker.pending, ~(u32)WORK_QUEUED);
		while ((c = next_call()) != NULL)
			carry_out(c);
	}
}

int slot_call_start(void)
{
	if (worker.stack_top)
		return 0;
	return sched_create(&worker, "slots", 0, worker_main, NULL);
}

void slot_call_drain(struct vm *vm)
{
	while (load_acquire(&vm->slot_call.state) == CALL_QUEUED)
		sched_yield();
}

/* --- the guest's side --- */

static int take_result(struct vcpu *v)
{
	struct slot_call *c = &v->vm->slot_call;
	u32 expected = CALL_DONE;
	int result;

	/* Acquire and more: pairs with the release in carry_out(). */
	if (!atomic_cmpxchg(&c->state, &expected, (u32)CALL_TAKEN)) {
		if (expected == CALL_FREE)
			return -ENOENT;
		/* The worker may be waiting for this CPU. */
		vcpu_post(v, THREAD_RESCHED);
		return -EINPROGRESS;
	}
	result = c->result;
	v->regs.r[REG_RDX] = c->ticks;
	store_release(&c->state, (u32)CALL_FREE);
	return result;
}

static int make_call(struct vcpu *v, u32 op)
{
	static const u8 reg[SLOT_CALL_ARGS] = { REG_RDI, REG_RSI, REG_RDX, REG_R8, REG_R9 };
	struct slot_call *c = &v->vm->slot_call;
	u32 expected = CALL_FREE;

	if (!atomic_cmpxchg(&c->state, &expected, (u32)CALL_TAKEN))
		return -EBUSY;
	c->op = op;
	for (unsigned i = 0; i < SLOT_CALL_ARGS; i++)
		c->arg[i] = v->regs.r[reg[i]];
	WRITE_ONCE(c->state, (u32)CALL_QUEUED);
	spin_lock(&lock);
	list_add_tail(&queue, &c->node);
	spin_unlock(&lock);
	sched_post(&worker, WORK_QUEUED);
	return 0;
}

static int change_prefetch(struct vcpu *v)
{
	struct vm *vm = v->vm;
	u32 old = READ_ONCE(vm->prefetch);
	int err = prefetch_set(&vm->prefetch, v->regs.r[REG_RDI]);

	if (!err)
		v->regs.r[REG_RDX] = old;
	return err;
}

void slot_call(struct vcpu *v, u32 op)
{
	u64 result = HYPERCALL_UNKNOWN;

	if (op == SLOT_CALL_RESULT)
		result = (u64)take_result(v);
	else if (op < ARRAY_SIZE(operations) && operations[op])
		result = (u64)make_call(v, op);
	else if (op == SLOT_CALL_PREFETCH)
		result = (u64)change_prefetch(v);
	v->regs.r[REG_RAX] = result;
}
