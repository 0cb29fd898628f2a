#include "hv/dev/port61.h"

#define PORT61_GATE    0x01
#define PORT61_CONTROL 0x0f /* gate, speaker, and two NMI masks that mask nothing here */
#define PORT61_REFRESH 0x10
#define PORT61_OUT     0x20

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
	return io_bus_add(pio, 0x61, 1, &port61_ops, port, "port 61");
}
