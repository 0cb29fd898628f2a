#include "hv/hyperv/vp_index.h"

#include <errno.h>
#include <string.h>

#include "mm/heap.h"

void vp_index_init(struct vp_index *m, u32 max, u32 count)
{
	memset(m, 0, sizeof(*m));
	m->max = MIN(max, (u32)VP_INDEX_MAX);
	m->count = MIN(count, m->max);
}

void vp_index_fini(struct vp_index *m)
{
	heap_free(m->table);
	m->table = NULL;
}

static size_t table_size(u32 limit, u32 count)
{
	return sizeof(struct vp_index_table) + (limit + count) * sizeof(u16);
}

/* A table of these indexes; *out is NULL when all are positions. */
static int make_table(const struct vp_index *m, const u16 *index, struct vp_index_table **out)
{
	struct vp_index_table *t;
	u32 limit = 0, mismatches = 0;

	*out = NULL;
	for (u32 i = 0; i < m->count; i++) {
		if (index[i] >= m->max)
			return -EINVAL;
		limit = MAX(limit, index[i] + 1u);
		mismatches += index[i] != i;
	}
	t = heap_alloc(table_size(limit, m->count));
	if (!t)
		return -ENOMEM;
	t->limit = limit;
	t->mismatches = mismatches;
	t->index_of = t->position + limit;
	memcpy(t->index_of, index, m->count * sizeof(*index));
	memset(t->position, 0xff, limit * sizeof(*t->position));
	for (u32 i = 0; i < m->count; i++) {
		if (t->position[index[i]] != VP_POSITION_NONE) {
			heap_free(t);
			return -EEXIST;
		}
		t->position[index[i]] = (u16)i;
		t->taken[index[i] / 64] |= BIT(index[i] % 64);
	}
	if (mismatches)
		*out = t;
	else
		heap_free(t);
	return 0;
}

/* The indexes of a bank that somebody has. */
static u64 taken(const struct vp_index_table *t, u32 count, u32 bank)
{
	if (t)
		return t->taken[bank];
	return count - bank * 64 < 64 ? BIT(count % 64) - 1 : UINT64_MAX;
}

bool vp_index_covers(const struct vp_index *m, u64 valid, const u64 *bank)
{
	const struct vp_index_table *t = rcu_dereference(m->table);
	u32 limit = t ? t->limit : m->count;

	for (u32 b = 0; b * 64 < limit; b++, valid >>= 1) {
		u64 named = valid & 1 ? *bank++ : 0;

		if (taken(t, m->count, b) & ~named)
			return false;
	}
	return true;
}

/*
 * The new table is there for all who look from here on. Returns the old one, which is the caller's
 * to retire when it has given back the lock.
 */
static struct vp_index_table *publish(struct vp_index *m, struct vp_index_table *t)
{
	struct vp_index_table *old = m->table;

	rcu_assign_pointer(m->table, t);
	return old;
}

/* An exit handler on another CPU may be in it until that CPU's next quiescent state. No lock is
 * held. */
static void vp_index_retire(struct vp_index_table *old)
{
	if (!old)
		return;
	rcu_synchronize();
	heap_free(old);
}

/* All indexes as they are, by position. */
static void copy_indexes(const struct vp_index *m, u16 *index)
{
	for (u32 i = 0; i < m->count; i++)
		index[i] = (u16)vp_index_of(m, i).v;
}

/* Publishes a table of these indexes; *old is to be retired. The lock is held. */
static int change(struct vp_index *m, const u16 *index, struct vp_index_table **old)
{
	struct vp_index_table *t;
	int err = make_table(m, index, &t);

	*old = err ? NULL : publish(m, t);
	return err;
}

int vp_index_set_all(struct vp_index *m, const u16 *index)
{
	struct vp_index_table *old;
	int err;

	spin_lock(&m->lock);
	err = change(m, index, &old);
	spin_unlock(&m->lock);
	vp_index_retire(old);
	return err;
}

int vp_index_set(struct vp_index *m, u32 position, vp_index_t index)
{
	struct vp_index_table *old;
	u16 *all;
	int err;

	if (index.v >= m->max || position >= m->count)
		return -EINVAL;
	all = heap_alloc(m->count * sizeof(*all));
	if (!all)
		return -ENOMEM;
	spin_lock(&m->lock);
	copy_indexes(m, all);
	all[position] = (u16)index.v;
	err = change(m, all, &old);
	spin_unlock(&m->lock);
	vp_index_retire(old);
	heap_free(all);
	return err;
}
