"""The Bochs emulator: its configuration, its process and what it says when it ends."""

import os
import re
import subprocess

from . import UserError
from .emulator import Emulator, read_text

SHARE = "/usr/share/bochs"
CPU = "corei7_skylake_x"        # if nothing else is asked for
MEMORY_MAX = 2048               # MiB: what this emulator maps at most
POWERED_OFF = "ACPI control: soft power off"


def drive(medium):
    """The lines about the drive to boot from."""
    if medium.kind == "iso":
        return [f"ata0-master: type=cdrom, path={medium.path}, status=inserted", "boot: cdrom"]
    if medium.kind == "kernel":
        return [f"ata0-master: type=disk, mode=flat, path={medium.path}, cylinders=0", "boot: disk"]
    return [f"ata0-master: type=disk, mode=volatile, path={medium.path}, cylinders=0",
            "boot: disk"]


def configuration(machine, log):
    """The text of a bochsrc.

    Time is counted in executed instructions and starts at a fixed date, so that a run can be
    repeated exactly. A triple fault ends the emulator in place of a quiet restart.
    """
    return "\n".join([
        'display_library: rfb, options="timeout=0"',
        f"romimage: file={SHARE}/BIOS-bochs-latest, options=fastboot",
        f"vgaromimage: file={SHARE}/VGABIOS-lgpl-latest",
        f"cpu: model={machine.cpu or CPU}, count={machine.smp}:1:1, ips=100000000, "
        "reset_on_triple_fault=0, ignore_bad_msrs=1",
        "clock: sync=none, time0=1767225600",
        f"memory: guest={machine.memory}, host={machine.memory}",
        *drive(machine.medium),
        f"com1: enabled=1, mode=term, dev={machine.serial}",
        f"log: {log}",
        "panic: action=fatal",
        f"error: action={'report' if machine.log else 'ignore'}",
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


class Bochs(Emulator):
    """A running Bochs."""

    def __init__(self, machine, directory):
        if not 32 <= machine.memory <= MEMORY_MAX:
            raise UserError(f"memory: 32 to {MEMORY_MAX} MiB with Bochs, not {machine.memory}")
        if machine.cpu and machine.cpu not in models():
            raise UserError(f"Bochs has no processor {machine.cpu}; `bochs --help cpu` lists them")
        self.log = os.path.abspath(machine.log or os.path.join(directory, "bochs.log"))
        written = {"bochsrc": configuration(machine, self.log), "debugger.rc": machine.debugger}
        for name, text in written.items():
            with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
                file.write(text)
        super().__init__(["bochs", "-q", "-f", "bochsrc", "-rc", "debugger.rc"], directory,
                         os.path.join(directory, "bochs.out"))

    def powered_off(self):
        return POWERED_OFF in self.printed()

    def why_it_ended(self):
        found = re.findall(r">>PANIC<< (.*)", read_text(self.log) + self.printed())
        if found:
            return found[-1]
        match = re.search(r"exiting with the following message:\n(.*)", self.printed())
        return match.group(1) if match else f"exit status {self.process.returncode}"
