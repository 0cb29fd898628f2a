"""The emulated serial port's other end: a pseudo-terminal."""

import array
import fcntl
import os
import termios
import time
import tty

# The emulated receiver takes a byte per character time whether or not anyone has read the last one,
# as a real one does. So input is handed over in bursts that fit its FIFO of 16, with time between
# them for a guest to read it. An emulator that stands still for a while must not find several: the
# next one waits until it has taken the one before.
BURST = 8
GAP = 0.02


class SerialLine:
    """A pseudo-terminal; the emulator opens `path`."""

    def __init__(self):
        self.fd, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.path = os.ttyname(self._slave)
        self._to_type = bytearray()
        self._next_burst = 0.0
        os.set_blocking(self.fd, False)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)
        os.close(self._slave)

    def read(self):
        """What has arrived, up to 64 KiB; b"" when there is nothing."""
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""

    def type(self, data):
        """Queues bytes for the guest."""
        self._to_type += data

    def _write_burst(self):
        try:
            written = os.write(self.fd, self._to_type[:BURST])
        except BlockingIOError:
            return
        del self._to_type[:written]

    def _is_taken(self):
        """Whether the emulator has read all that was typed."""
        waiting = array.array("i", [0])
        fcntl.ioctl(self._slave, termios.FIONREAD, waiting)
        return waiting[0] == 0

    def pump(self):
        """Types the next burst if it is due. Returns the seconds until the next, or None."""
        if not self._to_type:
            return None
        now = time.monotonic()
        if now >= self._next_burst:
            if self._is_taken():
                self._write_burst()
            self._next_burst = now + GAP
        return max(0.0, self._next_burst - now) if self._to_type else None
