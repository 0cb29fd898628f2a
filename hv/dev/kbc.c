#include "hv/dev/kbc.h"

#define STATUS_OUTPUT  0x01 /* a byte waits at port 0x60 */
#define STATUS_SYSTEM  0x04 /* self-test passed */
#define STATUS_COMMAND 0x08 /* the last write was to port 0x64 */
#define STATUS_NO_LOCK 0x10
#define STATUS_TIMEOUT 0x40 /* the device did not answer */

#define CMD_READ_COMMAND_BYTE  0x20
#define CMD_WRITE_COMMAND_BYTE 0x60
#define CMD_AUX_TEST	       0xa9
#define CMD_SELF_TEST	       0xaa
#define CMD_KEYBOARD_TEST      0xab
#define CMD_KEYBOARD_DISABLE   0xad
#define CMD_KEYBOARD_ENABLE    0xae
#define CMD_READ_OUTPUT_PORT   0xd0
#define CMD_WRITE_OUTPUT_PORT  0xd1
#define CMD_WRITE_AUX	       0xd4
#define CMD_PULSE	       0xf0 /* to 0xff: pulses the output lines whose bits are clear */

#define OUTPUT_PORT_RESET 0x01 /* active low */
#define OUTPUT_PORT_A20	  0x02

#define COMMAND_KEYBOARD_OFF 0x10
#define COMMAND_AUX_OFF	     0x20
#define COMMAND_SYSTEM	     0x04

#define REPLY_SELF_TEST_OK 0x55
#define REPLY_PORT_OK	   0x00
#define REPLY_NO_AUX	   0xff
#define REPLY_RESEND	   0xfe /* what the controller says for a device that is silent */

static void reply(struct kbc *kbc, u8 value, u8 status)
{
	kbc->output = value;
	kbc->status &= ~STATUS_TIMEOUT;
	kbc->status |= STATUS_OUTPUT | status;
}

static void run_command(struct kbc *kbc, u8 command)
{
	switch (command) {
	case CMD_READ_COMMAND_BYTE:
		reply(kbc, kbc->command_byte, 0);
		break;
	case CMD_SELF_TEST:
		reply(kbc, REPLY_SELF_TEST_OK, 0);
		break;
	case CMD_KEYBOARD_TEST:
		reply(kbc, REPLY_PORT_OK, 0);
		break;
	case CMD_AUX_TEST:
		reply(kbc, REPLY_NO_AUX, 0);
		break;
	case CMD_READ_OUTPUT_PORT:
		reply(kbc, OUTPUT_PORT_RESET | OUTPUT_PORT_A20, 0);
		break;
	case CMD_KEYBOARD_DISABLE:
		kbc->command_byte |= COMMAND_KEYBOARD_OFF;
		break;
	case CMD_KEYBOARD_ENABLE:
		kbc->command_byte &= ~COMMAND_KEYBOARD_OFF;
		break;
	case CMD_WRITE_COMMAND_BYTE:
	case CMD_WRITE_OUTPUT_PORT:
	case CMD_WRITE_AUX:
		kbc->parameter_of = command;
		break;
	default:
		break;
	}
}

/* True when the command pulses the reset line. */
static bool write_command(struct kbc *kbc, u8 command)
{
	kbc->status |= STATUS_COMMAND;
	kbc->parameter_of = 0;
	if (command >= CMD_PULSE)
		return !(command & OUTPUT_PORT_RESET);
	run_command(kbc, command);
	return false;
}

/* True when the byte is an output port with the reset line down. */
static bool write_data(struct kbc *kbc, u8 value)
{
	u8 command = kbc->parameter_of;

	kbc->status &= ~STATUS_COMMAND;
	kbc->parameter_of = 0;
	if (command == CMD_WRITE_OUTPUT_PORT)
		return !(value & OUTPUT_PORT_RESET);
	if (command == CMD_WRITE_COMMAND_BYTE)
		kbc->command_byte = value;
	else
		reply(kbc, REPLY_RESEND, STATUS_TIMEOUT);
	return false;
}

static u64 data_read(void *dev, u64 offset __unused, unsigned size __unused)
{
	struct kbc *kbc = dev;
	u8 value;

	spin_lock(&kbc->lock);
	value = kbc->output;
	kbc->status &= ~(STATUS_OUTPUT | STATUS_TIMEOUT);
	spin_unlock(&kbc->lock);
	return value;
}

static u64 status_read(void *dev, u64 offset __unused, unsigned size __unused)
{
	struct kbc *kbc = dev;
	u8 value;

	spin_lock(&kbc->lock);
	value = kbc->status;
	spin_unlock(&kbc->lock);
	return value;
}

static void kbc_write(struct kbc *kbc, bool (*write)(struct kbc *kbc, u8 value), u8 value)
{
	bool reset;

	spin_lock(&kbc->lock);
	reset = write(kbc, value);
	spin_unlock(&kbc->lock);
	if (reset)
		vm_power_raise(&kbc->power, VM_POWER_RESET);
}

static void data_write(void *dev, u64 offset __unused, unsigned size __unused, u64 value)
{
	kbc_write(dev, write_data, (u8)value);
}

static void command_write(void *dev, u64 offset __unused, unsigned size __unused, u64 value)
{
	kbc_write(dev, write_command, (u8)value);
}

static const struct io_ops data_ops = { data_read, data_write };
static const struct io_ops command_ops = { status_read, command_write };

void kbc_reset(struct kbc *kbc)
{
	spin_lock(&kbc->lock);
	kbc->status = STATUS_SYSTEM | STATUS_NO_LOCK;
	kbc->output = 0;
	kbc->command_byte = COMMAND_SYSTEM | COMMAND_KEYBOARD_OFF | COMMAND_AUX_OFF;
	kbc->parameter_of = 0;
	spin_unlock(&kbc->lock);
}

void kbc_init(struct kbc *kbc, struct vm_power power)
{
	*kbc = (struct kbc){ .power = power };
	kbc_reset(kbc);
}

int kbc_attach(struct kbc *kbc, struct io_bus *pio)
{
	int err = io_bus_add(pio, 0x60, 1, &data_ops, kbc, "kbc data");

	if (!err)
		err = io_bus_add(pio, 0x64, 1, &command_ops, kbc, "kbc command");
	return err;
}
