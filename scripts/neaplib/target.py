"""Which emulator a run is for: what this machine has, and what was asked for."""

import os
import shutil
from dataclasses import dataclass

from . import UserError, bochs
from .qemu import PROGRAM as QEMU

KVM_MODULES = ("kvm_intel", "kvm_amd")
# Options of scripts/run that one target has and the other has not: attribute, what it is called,
# whether it was given.
QEMU_ONLY = (
    ("firmware", "--firmware uefi", lambda value: value == "uefi"),
    ("net", "--net", bool),
    ("machine", "--machine q35", lambda value: value == "q35"),
    ("icount", "--icount", bool),
    ("kvm", "--kvm", lambda value: value is True),
    ("screenshot", "--screenshot", bool),
    ("qemu_log", "--qemu-log", bool),
)
BOCHS_ONLY = (("bochs_log", "--bochs-log", bool),)


@dataclass
class Target:
    """The emulator to use, and why this one, unless it was asked for by name."""

    name: str
    kvm: bool = False
    why: str = ""

    def describe(self):
        """The emulator's name for a person."""
        if self.name == "bochs":
            return "Bochs"
        return "QEMU with KVM" if self.kvm else "QEMU without KVM"


class Host:
    """This machine; its files are looked for under `root`, its programs in `path`."""

    def __init__(self, root="/", path=None):
        self._root = root
        self._path = path

    def has(self, program):
        """Whether the program is installed."""
        return shutil.which(program, path=self._path) is not None

    def nested_parameter(self):
        """(module, value) of the KVM module's parameter `nested`, or None where there is none."""
        for module in KVM_MODULES:
            try:
                path = os.path.join(self._root, "sys/module", module, "parameters/nested")
                with open(path, encoding="ascii") as file:
                    return module, file.read().strip()
            except OSError:
                pass
        return None

    def kvm_obstacle(self):
        """Why KVM cannot run Neap, or None if it can. Looks at the device only if it may be of use."""
        found = self.nested_parameter()
        if not found:
            return "no KVM here offers nested virtualization"
        module, value = found
        if value not in ("Y", "y", "1"):
            return f"nested virtualization is off: parameter nested of {module} is {value}"
        try:
            os.close(os.open(os.path.join(self._root, "dev/kvm"), os.O_RDWR | os.O_CLOEXEC))
        except OSError as error:
            return f"/dev/kvm: {error.strerror}"
        return None


def _given(arguments, options):
    """The name of the first of `options` that was given, or None."""
    for attribute, name, was_given in options:
        if was_given(getattr(arguments, attribute)):
            return name
    return None


def _qemu(arguments, host):
    if not host.has(QEMU):
        raise UserError("QEMU is not installed; scripts/setup installs it")
    if arguments.kvm is False:
        return Target("qemu", why="--no-kvm was given")
    if arguments.icount:
        return Target("qemu", why="--icount was given")
    obstacle = host.kvm_obstacle()
    if not arguments.kvm:
        return Target("qemu", not obstacle, obstacle or "KVM can nest here")
    if obstacle:
        raise UserError(f"--kvm: {obstacle}")
    return Target("qemu", True, "--kvm was given")


def _automatic(arguments, host):
    """The best that there is, but for what only one of the two can do."""
    bochs_option = _given(arguments, BOCHS_ONLY)
    if bochs_option:
        return Target("bochs", why=f"{bochs_option} was given")
    if _given(arguments, QEMU_ONLY):
        return _qemu(arguments, host)
    if arguments.cpu and host.has("bochs") and arguments.cpu in bochs.models():
        return Target("bochs", why=f"{arguments.cpu} is one of its processors")
    if not host.has(QEMU):
        return Target("bochs", why="QEMU is not installed")
    return _qemu(arguments, host)


def choose(arguments, host):
    """The Target for the options of scripts/run; UserError if there is none that can do it all."""
    bochs_option, qemu_option = _given(arguments, BOCHS_ONLY), _given(arguments, QEMU_ONLY)
    if bochs_option and (arguments.target == "qemu" or qemu_option):
        raise UserError(f"{bochs_option} is for Bochs, {qemu_option or '--target qemu'} for QEMU")
    if arguments.target == "bochs":
        if qemu_option:
            raise UserError(f"{qemu_option} is for QEMU; Bochs cannot do that")
        return Target("bochs")
    return _qemu(arguments, host) if arguments.target == "qemu" else _automatic(arguments, host)
