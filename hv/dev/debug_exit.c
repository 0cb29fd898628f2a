#include "hv/dev/debug_exit.h"

static u64 debug_exit_read(void *dev __unused, u64 offset __unused, unsigned size __unused)
{
	return 0;
}

static void debug_exit_write(void *dev, u64 offset, unsigned size __unused, u64 value)
{
	struct debug_exit *dbg = dev;

	if (offset == 0)
		dbg->exit(dbg->ctx, (unsigned)((value << 1) | 1) & 0xff);
}

static const struct io_ops debug_exit_ops = { debug_exit_read, debug_exit_write };

void debug_exit_init(struct debug_exit *dbg, void (*exit)(void *ctx, unsigned status), void *ctx)
{
	*dbg = (struct debug_exit){ exit, ctx };
}

int debug_exit_attach(struct debug_exit *dbg, struct io_bus *pio)
{
	return io_bus_add(pio, DEBUG_EXIT_PORT, 4, &debug_exit_ops, dbg, "debug-exit");
}
