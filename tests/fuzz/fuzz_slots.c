/*
 * libFuzzer entry: four bytes are one change of slots: what, which, and two numbers. After each,
 * the sets say what a naive model does (tests/unit/slots_model.h).
 */
#include "../unit/slots_model.h"

#define CHANGES_MAX 256

void trap_irq_window(void)
{
}

void rcu_synchronize(void)
{
	model_published();
}

static void change(const u8 *in)
{
	unsigned i = in[1] % MODEL_IDS;
	u32 flags = in[3] & 0x40 ? 1u << (in[3] & 31) : in[3] & 3;

	switch (in[0] % 4) {
	case 0:
		model_create(i, in[2], in[0] / 4, flags);
		break;
	case 1:
		model_move(i, in[2] + (in[3] & 1 ? MODEL_SPACE - 4 : 0));
		break;
	case 2:
		model_delete(i);
		break;
	default:
		model_set_flags(i, flags);
		break;
	}
	model_check_lookup(in[3]);
	model_check_lookup(in[2]);
}

int LLVMFuzzerTestOneInput(const u8 *in, size_t n)
{
	model_init();
	for (unsigned i = 0; i < CHANGES_MAX && n >= 4; i++, in += 4, n -= 4) {
		change(in);
		if (i % 4 == 0)
			model_check();
	}
	model_check();
	model_fini();
	MODEL_CHECK(shim_heap_live() == 0);
	return 0;
}
