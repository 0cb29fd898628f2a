"""How long the stock Linux boots, bare and in a VM, and Neap itself until its first guest starts."""

import re

from . import kvm
from .measure import BOCHS_VMX, BenchError, emulator, guest_output, output_of
from .report import Report, Table

START_MANIFEST = "[vm bench]\nmemory = 64M\nkernel = exitbench.elf\ncmdline = cpuid\n"


def ticks(*options):
    """Instructions from the kernel's first to that of its /init."""
    told = output_of(["scripts/boot-ticks", *options, "--vm-memory", "256M", "--cpu", BOCHS_VMX,
                      "--timeout", "900"])
    found = re.search(r": (\d+) ticks", told)
    if not found:
        raise BenchError(f"boot-ticks says: {told}")
    return int(found[1])


def start_us():
    """Microseconds from Neap's first instruction to a guest's."""
    text = guest_output("vmx", START_MANIFEST, "exitbench.elf")
    found = re.search(r"starts (\d+) us after Neap's first instruction", text)
    if not found:
        raise BenchError("Neap does not tell when the guest starts")
    return int(found[1])


def row(name, value, bare):
    """A count, and by how much it is above the bare one."""
    return [name, value, f"{(value / bare - 1) * 100:+.1f} %" if value != bare else None]


def take():
    """The report."""
    rows, peer = [], kvm.load()["boot"]
    for name, extra in (("console=ttyS0,115200", []),
                        ("quiet", ["--cmdline", "console=ttyS0,115200 nokaslr quiet"])):
        bare = ticks("--bare", *extra)
        rows += [row(f"{name}: bare", bare, bare),
                 row(f"{name}: in a VM of Neap's", ticks(*extra), bare)]
    bare = peer["bare"]
    rows += [row("KVM, quiet acpi=off pci=off: bare", bare, bare),
             row("the same in a VM of KVM's, pages of 4 KiB", peer["vm_4k"], bare),
             row("the same, transparent huge pages", peer["vm_huge"], bare)]
    conditions = [
        "instructions from the kernel's first to the first of /init, 256 MiB, one processor; exact",
        f"{emulator('Bochs')} {BOCHS_VMX}; KVM: the same model, see tests/bench/kvm.json",
    ]
    start = Table(["Neap", "us"], [["first instruction to a guest's first (64 MiB)", start_us()]])
    return Report("boot", "Booting", conditions, [Table(["Linux", "instructions", "more"], rows), start])
