#include "hv/hyperv/hyperv.h"

#include <errno.h>

#include "core/log.h"
#include "hv/vm.h"

/* What the manifest says of the indexes; it has checked them. */
static int set_indexes(struct vm *vm)
{
	const struct vm_config *c = vm->config;
	struct vp_index *m = &vm->hyperv.vp;

	vp_index_init(m, VP_INDEX_MAX, c->cpus);
	return c->vp_index_count ? vp_index_set_all(m, c->vp_index) : 0;
}

int hyperv_init(struct vm *vm)
{
	struct hyperv *h = &vm->hyperv;
	int err;

	if (!vm->config->hyperv)
		return 0;
	err = overlay_init(&h->hypercall_page);
	if (!err)
		err = overlay_init(&h->tsc_page);
	if (!err)
		err = set_indexes(vm);
	h->on = !err;
	if (!err && vp_index_mismatches(&h->vp))
		log_info("vm %s: %u of %u VP indexes are not the vCPU's number", vm->config->name,
			 vp_index_mismatches(&h->vp), vm->config->cpus);
	return err;
}

void hyperv_fini(struct vm *vm)
{
	struct hyperv *h = &vm->hyperv;

	vp_index_fini(&h->vp);
	overlay_fini(&h->hypercall_page);
	overlay_fini(&h->tsc_page);
	h->on = false;
}
