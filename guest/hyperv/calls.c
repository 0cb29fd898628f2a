/* Every way to flush and to send, by the index of one processor or to all. */
#include <string.h>
#include "hyperv.h"

const char *const flush_names[FLUSH_KINDS] = {
	"flush-space", "flush-space-ex", "flush-list",	    "flush-list-ex",
	"flush-all",   "flush-all-ex",	 "flush-all-named",
};
const char *const ipi_names[IPI_KINDS] = { "ipi", "ipi-ex", "ipi-all-ex", "ipi-all-named" };

/* Format, banks, one bank: of a sparse set with one processor. Returns the quadwords of banks. */
static unsigned int put_set(uint64_t *at, uint32_t vp, bool all)
{
	at[0] = all;
	at[1] = all ? 0 : 1ul << vp / 64;
	at[2] = 1ul << vp % 64;
	return all ? 0 : 1;
}

static uint64_t all_named(void)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < smp_count; i++)
		if (workers[i].vp_index < 64)
			mask |= 1ul << workers[i].vp_index;
	return mask;
}

/* A mask of 64 cannot name every processor: where it does not, the call is made with a set. */
static bool mask_names_all(void)
{
	unsigned int i;

	for (i = 0; i < smp_count; i++)
		if (workers[i].vp_index >= 64)
			return false;
	return true;
}

static unsigned int possible_flush(unsigned int kind, uint32_t vp)
{
	if (kind == 6)
		return mask_names_all() ? kind : 5;
	return vp >= 64 && (kind == 0 || kind == 2) ? kind + 1 : kind;
}

static unsigned int possible_ipi(unsigned int kind, uint32_t vp)
{
	if (kind == 3)
		return mask_names_all() ? kind : 2;
	return vp >= 64 && kind == 0 ? 1 : kind;
}

uint64_t flush_call(unsigned int kind, uint64_t *in, uint32_t vp)
{
	unsigned int banks;

	kind = possible_flush(kind, vp);

	in[0] = 0;
	in[1] = HV_ALL_SPACES;
	switch (kind) {
	case 0:
		in[2] = 1ul << vp % 64;
		return hv_call(HV_FLUSH_SPACE, (uintptr_t)in, 0);
	case 2:
		in[2] = 1ul << vp % 64;
		in[3] = 0x100000;
		in[4] = 0x1ff000;
		return hv_call(HV_FLUSH_LIST | HV_COUNT(2), (uintptr_t)in, 0) & ~HV_COUNT(2);
	case 3:
		banks = put_set(in + 2, vp, false);
		in[5] = 0x100000;
		return hv_call(HV_FLUSH_LIST_EX | HV_COUNT(1) | HV_VAR(banks), (uintptr_t)in, 0) &
		       ~HV_COUNT(1);
	case 4:
		in[1] |= HV_ALL_PROCESSORS;
		in[2] = 0;
		return hv_call(HV_FLUSH_SPACE, (uintptr_t)in, 0);
	case 6:
		in[2] = all_named();
		return hv_call(HV_FLUSH_SPACE, (uintptr_t)in, 0);
	default:
		banks = put_set(in + 2, vp, kind == 5);
		return hv_call(HV_FLUSH_SPACE_EX | HV_VAR(banks), (uintptr_t)in, 0);
	}
}

uint64_t ipi_call(unsigned int kind, uint64_t *in, uint32_t vp)
{
	unsigned int banks;

	kind = possible_ipi(kind, vp);
	if (kind == 0)
		return hv_call(HV_SEND_IPI | HV_FAST, HV_VECTOR, 1ul << vp % 64);
	if (kind == 3)
		return hv_call(HV_SEND_IPI | HV_FAST, HV_VECTOR, all_named());
	in[0] = HV_VECTOR;
	banks = put_set(in + 1, vp, kind == 2);
	return hv_call(HV_SEND_IPI_EX | HV_VAR(banks), (uintptr_t)in, 0);
}
