"""The person's terminal: raw mode, the way out, and a sign of life while nothing is printed."""

import os
import sys
import termios
import time
import tty

ESCAPE = 0x1D                   # Ctrl-]
HELP = "Ctrl-] then q leaves; Ctrl-] twice sends Ctrl-]; all else goes to the serial port"


class Leave(Exception):
    """The person asked to leave."""


def is_interactive(fd=0):
    """True if a person types at `fd` and this process may change how."""
    return os.isatty(fd) and os.tcgetpgrp(fd) == os.getpgrp()


class Keyboard:
    """The terminal in raw mode for the time of a `with` block."""

    def __init__(self, fd=0):
        self.fd = fd
        self._saved = None
        self._escaped = False

    def __enter__(self):
        self._saved = termios.tcgetattr(self.fd)
        tty.setraw(self.fd)
        return self

    def __exit__(self, *_):
        termios.tcsetattr(self.fd, termios.TCSAFLUSH, self._saved)

    def read(self):
        """The keys to hand to the guest; raises Leave for the way out or a terminal that is gone."""
        keys = os.read(self.fd, 4096)
        if not keys:
            raise Leave
        passed = bytearray()
        for key in keys:
            if self._escaped:
                self._escaped = False
                if key in b"qQ":
                    raise Leave
                if key == ESCAPE:
                    passed.append(key)
                else:
                    sys.stderr.write(f"\r\nrun: {HELP}\r\n")
            elif key == ESCAPE:
                self._escaped = True
            else:
                passed.append(key)
        return bytes(passed)


class SignOfLife:
    """Counts the seconds on stderr, if that is a terminal, until the first byte is there."""

    def __init__(self, what):
        self._what = what
        self._start = time.monotonic()
        self._shown = None
        self._active = sys.stderr.isatty()

    def tick(self):
        """Shows the time that has passed, once a second."""
        seconds = int(time.monotonic() - self._start)
        if self._active and seconds != self._shown:
            self._shown = seconds
            sys.stderr.write(f"\rrun: {self._what}, {seconds} s ")
            sys.stderr.flush()

    def stop(self):
        """Wipes what was shown."""
        if self._active and self._shown is not None:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._active = False
