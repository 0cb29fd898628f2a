#include "hv/dev/port61.h"

#include "arch/x86/i8254.h"

static u64 port61_read(void *dev, u64 offset __unused, unsigned size __unused)
{
	struct port61 *port = dev;
	u8 value = READ_ONCE(port->control);

	if (pit_refresh(port->pit))
		value |= PORT61_REFRESH;
	if (pit_speaker_out(port->pit))
		value |= PORT61_OUT;
	return value;
}

static void port61_set(struct port61 *port, u8 control)
{
	spin_lock(&port->lock);
	WRITE_ONCE(port->control, control);
	pit_set_speaker_gate(port->pit, control & PORT61_GATE);
	spin_unlock(&port->lock);
}

static void port61_write(void *dev, u64 offset __unused, unsigned size __unused, u64 value)
{
	/* The masks of NMIs mask nothing here. */
	port61_set(dev, value & PORT61_CONTROL);
}

static const struct io_ops port61_ops = { port61_read, port61_write };

void port61_init(struct port61 *port, struct pit *pit)
{
	*port = (struct port61){ .pit = pit };
}

void port61_reset(struct port61 *port)
{
	port61_set(port, 0);
}

int port61_attach(struct port61 *port, struct io_bus *pio)
{
	return io_bus_add(pio, PORT61, 1, &port61_ops, port, "port 61");
}
