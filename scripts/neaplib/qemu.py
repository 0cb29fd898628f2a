"""The QEMU emulator: its command line, its process and how its machine ended."""

import os
import shutil
import signal
import socket

from . import UserError, say
from .emulator import Emulator, read_text
from .monitor import Monitor, MonitorError
from .picture import ppm_to_png

PROGRAM = "qemu-system-x86_64"
CPU_TCG = "max"                 # if nothing else is asked for
CPU_KVM = "host"
OVMF = "/usr/share/OVMF"
# The firmware, and the variables that it starts with; the names depend on the package's age.
OVMF_FILES = (("OVMF_CODE.fd", "OVMF_VARS.fd"), ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"))
POWERED_OFF = "guest-shutdown"
RESET = "guest-reset"
STOPPED = "stopped"
REASONS = {
    POWERED_OFF: "the machine switched itself off",
    RESET: "the machine was reset: by a triple fault, or on purpose",
    STOPPED: "QEMU stopped the machine: an internal error",
}


def escape(path):
    """`path` as a value in one of QEMU's lists, in which a comma ends a value."""
    return path.replace(",", ",,")


def accelerator(machine):
    """How the machine's instructions are executed; real threads unless they are counted."""
    if machine.kvm:
        return ["-accel", "kvm", "-cpu", machine.cpu or CPU_KVM]
    threads = "single" if machine.icount else "multi"
    options = ["-accel", f"tcg,thread={threads}", "-cpu", machine.cpu or CPU_TCG]
    if machine.icount:
        # Idle time passes at once, and the date is a fixed one, so that a run can be repeated.
        options += ["-icount", "shift=0,sleep=off", "-rtc", "base=2026-01-01T00:00:00,clock=vm"]
    return options


def firmware(machine, directory, share=OVMF):
    """Options for the firmware; UEFI gets variables of its own, which it may change."""
    if machine.firmware == "bios":
        return []
    for code, variables in OVMF_FILES:
        code, variables = os.path.join(share, code), os.path.join(share, variables)
        if os.path.isfile(code) and os.path.isfile(variables):
            own = shutil.copyfile(variables, os.path.join(directory, "variables.fd"))
            return ["-drive", f"if=pflash,unit=0,format=raw,readonly=on,file={escape(code)}",
                    "-drive", f"if=pflash,unit=1,format=raw,file={escape(own)}"]
    raise UserError("ovmf is not installed; scripts/setup installs it")


def medium(what):
    """Options for what the machine boots from."""
    if what.kind == "iso":
        return ["-drive", "if=none,id=boot,media=cdrom,format=raw,readonly=on,"
                f"file={escape(what.path)}", "-device", "ide-cd,drive=boot,bootindex=0"]
    if what.kind == "stick":
        return ["-drive", f"if=none,id=boot,format=raw,snapshot=on,file={escape(what.path)}",
                "-device", "ide-hd,drive=boot,bootindex=0"]
    if what.kind == "net":
        # Restricted: the machine reaches this server and nothing else.
        return ["-netdev", f"user,id=net,restrict=on,ipv6=off,tftp={escape(what.path)},"
                f"bootfile={escape(what.bootfile)}",
                "-device", "virtio-net-pci,netdev=net,bootindex=0"]
    modules = ["-initrd", ",".join(what.modules)] if what.modules else []
    return ["-kernel", what.kernel, "-append", what.cmdline, *modules]


def command(machine, monitor_fd, directory, log):
    """The whole command line. Nothing is in the machine but what is asked for here.

    A reset ends the run, as a power-off does; the machine is then held, so that there is time for a
    look at it.
    """
    return [PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-vga", "std",
            "-machine", machine.board, *accelerator(machine),
            "-smp", str(machine.smp), "-m", str(machine.memory),
            *firmware(machine, directory), *medium(machine.medium), "-boot", "strict=on",
            "-chardev", f"serial,id=serial,path={escape(machine.serial)}",
            "-serial", "chardev:serial",
            "-chardev", f"socket,id=monitor,fd={monitor_fd}", "-mon", "chardev=monitor,mode=control",
            "-action", "reboot=shutdown,shutdown=pause,panic=pause",
            "-d", "guest_errors,cpu_reset", "-D", log, "-S"]


class Qemu(Emulator):
    """A running QEMU."""

    def __init__(self, machine, directory):
        self.log = os.path.abspath(machine.log or os.path.join(directory, "qemu.log"))
        self._screenshot = machine.screenshot
        self._picture = os.path.join(directory, "screen.ppm")
        self._keeps_log = machine.log is not None
        self._reason = None
        ours, theirs = socket.socketpair()
        self._monitor = Monitor(ours)
        with theirs:
            line = command(machine, theirs.fileno(), directory, self.log)
            start = machine.medium.path if machine.medium.kind == "kernel" else directory
            super().__init__(line, start, os.path.join(directory, "qemu.out"), (theirs.fileno(),))
        self.control_fd = ours.fileno()
        try:
            self._monitor.command("qmp_capabilities")
            self._monitor.command("cont")
            self.control()
        except MonitorError as error:
            super().__exit__()
            raise UserError(f"QEMU did not start: {self.printed().strip() or error}") from None

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self._take_screenshot()
        super().__exit__()
        self._monitor.close()

    def control(self):
        """Follows QEMU's events: when its machine has stopped, QEMU is told to end."""
        for event in self._monitor.events():
            if event["event"] == "SHUTDOWN" and self._reason is None:
                self._end(event["data"]["reason"])
            elif event["event"] == "STOP" and self._reason is None:
                self._end(STOPPED)
        if self._monitor.is_gone:
            self.control_fd = None

    def _end(self, reason):
        self._reason = reason
        try:
            if reason == RESET and self._keeps_log:
                self._log_registers()
            self._take_screenshot()
            self._monitor.command("quit")
        except MonitorError:
            self.kill()

    def _log_registers(self):
        told = self._monitor.command("human-monitor-command",
                                     **{"command-line": "info registers -a"})
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(f"the registers at the reset:\n{told}")

    def _take_screenshot(self):
        if not self._screenshot:
            return
        path, self._screenshot = self._screenshot, None
        try:
            self._monitor.command("screendump", filename=self._picture)
            with open(self._picture, "rb") as ppm, open(path, "wb") as png:
                png.write(ppm_to_png(ppm.read()))
        except (MonitorError, OSError, ValueError) as error:
            say("run", f"there is no screenshot: {error}")

    def powered_off(self):
        return self._reason == POWERED_OFF

    def why_it_ended(self):
        if self._reason == RESET and "Triple fault" in read_text(self.log):
            return "the machine was reset by a triple fault"
        return REASONS.get(self._reason) or (
            self.printed().strip().rpartition("\n")[2] or f"exit status {self.process.returncode}")
