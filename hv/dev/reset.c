#include "hv/dev/reset.h"

#include "core/atomic.h"

#define CONFIG_ADDRESS_PORT 0xcf8
#define CONTROL_OFFSET	    (RESET_CONTROL_PORT - CONFIG_ADDRESS_PORT)

#define CONTROL_SYSTEM 0x02 /* hard, else the processors only: the same here */
#define CONTROL_RESET  0x04 /* 0 to 1 resets */
#define CONTROL_FULL   0x08 /* power cycle, too */
#define CONTROL_BITS   (CONTROL_SYSTEM | CONTROL_RESET | CONTROL_FULL)

#define PORT92_RESET 0x01 /* 0 to 1 resets */
#define PORT92_A20   0x02 /* kept, but A20 is always enabled */
#define PORT92_BITS  (PORT92_RESET | PORT92_A20)

u8 reset_control_read(struct reset *reset)
{
	return READ_ONCE(reset->control);
}

void reset_control_write(struct reset *reset, u8 value)
{
	u8 old = atomic_xchg(&reset->control, value & CONTROL_BITS);

	if (value & ~old & CONTROL_RESET)
		vm_power_raise(&reset->power, VM_POWER_RESET);
}

static u64 config_read(void *dev, u64 offset, unsigned size)
{
	if (offset == CONTROL_OFFSET && size == 1)
		return reset_control_read(dev);
	return UINT64_MAX;
}

static void config_write(void *dev, u64 offset, unsigned size, u64 value)
{
	if (offset == CONTROL_OFFSET && size == 1)
		reset_control_write(dev, (u8)value);
}

static const struct io_ops config_ops = { config_read, config_write };

static u64 port92_read(void *dev, u64 offset __unused, unsigned size __unused)
{
	struct reset *reset = dev;

	return READ_ONCE(reset->port92);
}

static void port92_write(void *dev, u64 offset __unused, unsigned size __unused, u64 value)
{
	struct reset *reset = dev;
	u8 old = atomic_xchg(&reset->port92, (u8)value & PORT92_BITS);

	if (value & ~(u64)old & PORT92_RESET)
		vm_power_raise(&reset->power, VM_POWER_RESET);
}

static const struct io_ops port92_ops = { port92_read, port92_write };

void reset_reset(struct reset *reset)
{
	WRITE_ONCE(reset->control, 0);
	WRITE_ONCE(reset->port92, PORT92_A20);
}

void reset_init(struct reset *reset, struct vm_power power)
{
	*reset = (struct reset){ .power = power };
	reset_reset(reset);
}

int reset_attach(struct reset *reset, struct io_bus *pio)
{
	int err = io_bus_add(pio, 0x92, 1, &port92_ops, reset, "port 92");

	if (!err)
		err = io_bus_add(pio, CONFIG_ADDRESS_PORT, 4, &config_ops, reset, "reset");
	return err;
}
