"""What all emulators have in common: a process that does not outlive the one that started it."""

import ctypes
import os
import signal
import subprocess

from . import UserError

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _prepare_child():
    """In the child: no network, and an end together with its parent, even one that is killed.

    The only display without a window that Debian's Bochs has is a VNC server on all addresses. In a
    network namespace of its own nobody reaches it, and several runs do not meet at its port. Where
    the system allows no such namespace it picks the next free port. QEMU needs no network either:
    that of its machine is inside it.
    """
    if _libc.unshare(CLONE_NEWNET) != 0:
        _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    # After the namespaces: a change of credentials clears it.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Emulator:
    """A running emulator. Use it as a context manager: it does not outlive the block."""

    control_fd = None           # when it is readable, control() is to be called

    def __init__(self, command, directory, output, pass_fds=()):
        self.output = output
        with open(output, "wb") as out:
            try:
                # pylint: disable-next=subprocess-popen-preexec-fn
                self.process = subprocess.Popen(
                    command, cwd=directory, stdin=subprocess.DEVNULL, stdout=out,
                    stderr=subprocess.STDOUT, start_new_session=True, pass_fds=pass_fds,
                    preexec_fn=_prepare_child)
            except FileNotFoundError:
                raise UserError(f"{command[0]} is not installed; scripts/setup installs it") from None
        self.pidfd = os.pidfd_open(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()
        os.close(self.pidfd)

    def signal(self, number):
        """Sends a signal to the emulator and all that it may have started."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def kill(self):
        """Ends the emulator, if it has not ended yet. Nothing is lost: it owns no data."""
        if self.process.poll() is None:
            self.signal(signal.SIGKILL)
        self.process.wait()

    def control(self):
        """Deals with what came in at control_fd."""

    def printed(self):
        """All that it printed itself."""
        return read_text(self.output)

    def powered_off(self):
        """True if it ended because the machine was switched off by ACPI."""
        raise NotImplementedError

    def why_it_ended(self):
        """Its last words, in one line."""
        raise NotImplementedError


def read_text(path):
    """A file's text; nothing if there is no such file."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
