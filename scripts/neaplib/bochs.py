"""The Bochs emulator: its configuration, its process and what it says when it ends."""

import ctypes
import os
import re
import signal
import subprocess
from dataclasses import dataclass

from . import UserError

SHARE = "/usr/share/bochs"
MEMORY_MAX = 2048               # MiB: what this emulator maps at most
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
POWERED_OFF = "ACPI control: soft power off"

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass
class Machine:
    """The machine to emulate. `serial` is the terminal that becomes COM1's other end."""

    iso: str
    serial: str
    cpu: str = "corei7_skylake_x"
    smp: int = 1
    memory: int = 1024
    log: str = None             # also log what the emulator finds odd, here
    debugger: str = "c\n"       # commands for its debugger; it stops before the first instruction

    def configuration(self, log):
        """The text of a bochsrc.

        Time is counted in executed instructions and starts at a fixed date, so that a run can be
        repeated exactly. A triple fault ends the emulator in place of a quiet restart.
        """
        return "\n".join([
            'display_library: rfb, options="timeout=0"',
            f"romimage: file={SHARE}/BIOS-bochs-latest, options=fastboot",
            f"vgaromimage: file={SHARE}/VGABIOS-lgpl-latest",
            f"cpu: model={self.cpu}, count={self.smp}:1:1, ips=100000000, reset_on_triple_fault=0, "
            "ignore_bad_msrs=1",
            "clock: sync=none, time0=1767225600",
            f"memory: guest={self.memory}, host={self.memory}",
            f"ata0-master: type=cdrom, path={self.iso}, status=inserted",
            "boot: cdrom",
            f"com1: enabled=1, mode=term, dev={self.serial}",
            f"log: {log}",
            "panic: action=fatal",
            f"error: action={'report' if self.log else 'ignore'}",
            "info: action=ignore",
            "debug: action=ignore",
        ]) + "\n"


def models():
    """The names of the processors that the installed emulator knows."""
    try:
        told = subprocess.run(["bochs", "--help", "cpu"], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False).stdout
    except FileNotFoundError:
        raise UserError("bochs is not installed; scripts/setup installs it") from None
    listed = told.partition("Supported CPU models:")[2].partition("=====")[0]
    return [line for line in listed.splitlines() if re.fullmatch(r"\w+", line)]


def _prepare_child():
    """In the child: no network, and an end together with its parent, even one that is killed.

    The only display without a window that Debian's build has is a VNC server on all addresses. In a
    network namespace of its own nobody reaches it, and several runs do not meet at its port. Where
    the system allows no such namespace it picks the next free port.
    """
    if _libc.unshare(CLONE_NEWNET) != 0:
        _libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)
    # After the namespaces: a change of credentials clears it.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Bochs:
    """A running emulator. Use it as a context manager: it does not outlive the block."""

    def __init__(self, machine, directory):
        if not 32 <= machine.memory <= MEMORY_MAX:
            raise UserError(f"memory: 32 to {MEMORY_MAX} MiB with Bochs, not {machine.memory}")
        if machine.cpu not in models():
            raise UserError(f"Bochs has no processor {machine.cpu}; `bochs --help cpu` lists them")
        self.log = os.path.abspath(machine.log or os.path.join(directory, "bochs.log"))
        self.output = os.path.join(directory, "bochs.out")
        configuration = os.path.join(directory, "bochsrc")
        commands = os.path.join(directory, "debugger.rc")
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(machine.configuration(self.log))
        with open(commands, "w", encoding="utf-8") as file:
            file.write(machine.debugger)
        with open(self.output, "wb") as output:
            # pylint: disable-next=subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                ["bochs", "-q", "-f", configuration, "-rc", commands], cwd=directory,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True, preexec_fn=_prepare_child)
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

    def _read(self, path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def powered_off(self):
        """True if it ended because the machine was switched off by ACPI."""
        return POWERED_OFF in self._read(self.output)

    def printed(self):
        """All that it printed itself: its debugger's answers, mostly."""
        return self._read(self.output)

    def why_it_ended(self):
        """Its last words, in one line."""
        found = re.findall(r">>PANIC<< (.*)", self._read(self.log) + self.printed())
        if found:
            return found[-1]
        match = re.search(r"exiting with the following message:\n(.*)", self.printed())
        return match.group(1) if match else f"exit status {self.process.returncode}"
