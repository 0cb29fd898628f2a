/* libFuzzer entry: any bytes as a manifest. What is accepted must be within all limits. */
#include <stdlib.h>
#include <string.h>

#include "hv/manifest.h"
#include "shim.h"

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_string(const char *s, size_t size)
{
	return memchr(s, '\0', size) != NULL;
}

static void check_vm(const struct vm_config *vm, bool bad)
{
	check(is_string(vm->name, VM_NAME_MAX) && vm->name[0]);
	check(is_string(vm->kernel, MODULE_NAME_MAX) && is_string(vm->initrd, MODULE_NAME_MAX));
	check(is_string(vm->cmdline, VM_CMDLINE_MAX));
	check(vm->cpus >= 1 && vm->cpus <= VM_MAX_CPUS && vm->module_count <= VM_MODULE_MAX);
	for (unsigned i = 0; i < vm->module_count; i++) {
		check(is_string(vm->module[i].name, MODULE_NAME_MAX) && vm->module[i].name[0]);
		check(is_string(vm->module[i].cmdline, VM_CMDLINE_MAX));
	}
	if (bad)
		return;
	check(vm->memory >= VM_MIN_MEMORY && vm->memory <= VM_MAX_MEMORY);
	check(IS_ALIGNED(vm->memory, PAGE_SIZE) && vm->kernel[0]);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct manifest m;
	int err;

	shim_log_reset();
	err = manifest_parse(&m, (const char *)data, size);
	check(m.vm_count <= MANIFEST_VM_MAX && (err == 0) == (m.vm_count > 0));
	check(err == 0 || m.errors > 0);
	check(shim_log_count() == MIN(m.errors, (unsigned)MANIFEST_ERRORS_SHOWN + 1));
	for (unsigned i = 0; i < m.vm_count; i++) {
		check_vm(m.vm[i], m.bad[i]);
		check(!m.bad[i] || m.errors > 0);
	}
	manifest_free(&m);
	check(shim_heap_live() == 0);
	return 0;
}
