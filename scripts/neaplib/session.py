"""One run: moves bytes between the emulator, the person and the log until there is a verdict."""

import os
import select
import signal
import time
from dataclasses import dataclass

from .terminal import Leave

TIMED_OUT = 124
PANICKED = 125
# Seconds without output until a panic that is not told to its end, or a machine that does not switch off,
# is given up, and those that it may take all in all. An emulator may stand still for a while, anywhere.
GRACE = 10.0
GRACE_MOST = 120.0
LINE_GRACE = 3.0                # seconds without output until --until has matched a line that is not ended
# Output that stdout has not taken yet: above HIGH the emulator is stopped, below LOW it goes on.
BACKLOG_HIGH = 1 << 20
BACKLOG_LOW = 1 << 16
TICK = 0.1                      # seconds between two looks at the clock when nothing happens
WRITE_CHUNK = 512               # a pipe that select() calls writable takes this much without waiting


@dataclass
class Outcome:
    """How a run ended: its exit status, and a sentence if that needs one."""

    status: int
    message: str = ""


class Output:
    """Standard output and the log. A reader that is slow holds up the emulator, never the loop."""

    def __init__(self, emulator, log=None, fd=1):
        self.fd = fd
        self.backlog = bytearray()
        self._line_open = False
        self._emulator = emulator
        self._log = log
        self._held = False

    def put(self, data):
        """Takes bytes from the serial port."""
        if self._log:
            self._log.write(data)
        self.backlog += data
        if data:
            self._line_open = not data.endswith(b"\n")
        if len(self.backlog) > BACKLOG_HIGH and not self._held:
            self._held = True
            self._emulator.signal(signal.SIGSTOP)

    def pump(self):
        """Writes a chunk; call it when `fd` is writable."""
        del self.backlog[:os.write(self.fd, self.backlog[:WRITE_CHUNK])]
        if self._held and len(self.backlog) < BACKLOG_LOW:
            self._held = False
            self._emulator.signal(signal.SIGCONT)

    def finish(self):
        """Writes all there is; on a terminal it leaves the cursor at the beginning of a line."""
        if self._line_open and os.isatty(self.fd):
            self.backlog += b"\r\n"
        while self.backlog:
            self.pump()


class Session:
    """The event loop. `keyboard`, `life` and `timeout` may be None."""

    def __init__(self, emulator, line, watcher, output, keyboard=None, life=None, timeout=None):
        self._emulator = emulator
        self._line = line
        self._watcher = watcher
        self._output = output
        self._keyboard = keyboard
        self._life = life
        self._deadline = time.monotonic() + timeout if timeout else None
        self._last_output = time.monotonic()
        self._grace_began = None

    def run(self):
        """Runs until there is an Outcome."""
        try:
            while True:
                outcome = self._step() or self._verdict()
                if outcome:
                    return outcome
        except Leave:
            return Outcome(0)
        finally:
            if self._life:
                self._life.stop()
            self._output.finish()

    def _step(self):
        """Waits for something to happen and deals with it."""
        if self._life:
            self._life.tick()
        wait = self._line.pump()
        control = self._emulator.control_fd
        fds = [self._line.fd, self._emulator.pidfd, self._keyboard and self._keyboard.fd, control]
        readable, writable, _ = select.select(
            [fd for fd in fds if fd is not None],
            [self._output.fd] if self._output.backlog else [], [],
            TICK if wait is None else min(wait, TICK))
        if writable:
            self._output.pump()
        if self._keyboard and self._keyboard.fd in readable:
            self._line.type(self._keyboard.read())
        if self._line.fd in readable:
            self._take(self._line.read())
        elif control is not None and control in readable:
            self._emulator.control()
        elif self._emulator.pidfd in readable:
            return self._ended()
        return None

    def _take(self, data):
        if data and self._life:
            self._life.stop()
        if data:
            self._last_output = time.monotonic()
        self._output.put(data)
        self._line.type(self._watcher.feed(data))

    def _verdict(self):
        """An Outcome if what was read so far makes one."""
        watcher, now = self._watcher, time.monotonic()
        silence = now - self._last_output
        if watcher.until_seen:
            return Outcome(0) if watcher.until_line_over or silence >= LINE_GRACE else None
        if watcher.panic_over:
            return Outcome(PANICKED, "Neap panicked")
        if watcher.boot_failed:
            return Outcome(1, "GRUB could not start the image")
        if self._grace_began is None and (watcher.panicked or watcher.exit_status is not None):
            self._grace_began = now
        if self._grace_began is not None and (
                silence >= GRACE or now - self._grace_began >= GRACE_MOST):
            if watcher.panicked:
                return Outcome(PANICKED, "Neap panicked, and did not tell all of it")
            return Outcome(watcher.exit_status, "Neap is done, but the machine did not switch off")
        if self._deadline is not None and now >= self._deadline:
            return Outcome(TIMED_OUT, "time-out")
        return None

    def _ended(self):
        """The emulator has ended; its last words may have come after select() had looked for them."""
        while data := self._line.read():
            self._take(data)
        if self._watcher.until_seen:
            return Outcome(0)
        if self._watcher.panicked:
            return Outcome(PANICKED, "Neap panicked")
        if self._watcher.exit_status is not None:
            return Outcome(self._watcher.exit_status)
        self._emulator.process.wait()
        return Outcome(1, "the emulator ended without a verdict from Neap: "
                       + self._emulator.why_it_ended())
