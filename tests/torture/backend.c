/* The torture runs no guest, and so on any processor: a backend that has nothing to do. */
#include "boot/backend_select.h"
#include "hv/backend.h"
#include "tables.h"

static int nothing(void)
{
	return 0;
}

static void print(void)
{
}

static const struct backend_ops torture_backend = {
	.name = "torture",
	.probe = nothing,
	.cpu_init = nothing,
	.print = print,
	.tdp_flush = tables_flush,
};

int backend_select(void)
{
	backend = &torture_backend;
	return backend->probe();
}
