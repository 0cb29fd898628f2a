"""What memory slots cost by their number: the structures alone, and changes of a running guest's."""

import re

from . import kvm
from .measure import BOCHS_VMX, emulator, guest_output, output_of, processor
from .report import Report, Table

MANIFEST = ("[vm bench]\nmemory = 64M\nkernel = slots.elf\ncmdline = slots.elf bench\n"
            "test_hypercalls = on\n")


def pivot(rows, title, first):
    """A table of {row: {slots: figure}}: the number of slots goes across."""
    counts = sorted({count for figures in rows.values() for count in figures})
    return Table([first, *counts], [[name, *(figures.get(count) for count in counts)]
                                    for name, figures in rows.items()], title)


def host():
    """On this machine, beside a sorted array that is copied at each change."""
    rows = {}
    for slots, operation, ns, array in re.findall(r"^bench: (\d+) (\S+) (\S+) (\S+)$",
                                                  output_of(["build/bench/slots_host"]), re.MULTILINE):
        rows.setdefault(operation, {})[int(slots)] = float(ns)
        if float(array):
            rows.setdefault(f"{operation}, array", {})[int(slots)] = float(array)
    return pivot(rows, f"The structures alone, nanoseconds on {processor()}", "slots")


def guest():
    """In a running guest: the worker's part, and all from the guest's call to its result."""
    found = re.findall(r"^bench: slots-(\w+)-(\d+) (\d+) (\d+)",
                       guest_output("vmx", MANIFEST, "slots.elf", timeout=600), re.MULTILINE)
    rows = {}
    for operation, peer in kvm.load()["slots"].items():
        mine = [(int(slots), int(change), int(call)) for name, slots, change, call in found
                if name == operation]
        rows[f"{operation}, change"] = {slots: change for slots, change, _ in mine}
        rows[f"{operation}, with call"] = {slots: call for slots, _, call in mine}
        rows[f"{operation}, KVM"] = {int(slots): figure for slots, figure in peer.items()}
        rows[f"{operation}, goal"] = {int(slots): kvm.tenth(figure) for slots, figure in peer.items()}
    return pivot(rows, "Changes of a running guest's slots, instructions, VMX in "
                 f"{emulator('Bochs')} {BOCHS_VMX}", "slots")


def take():
    """The report."""
    return Report("slots", "Memory slots",
                  ["with call: all that is executed from the guest's call to its having the result",
                   "KVM: one KVM_SET_USER_MEMORY_REGION in the same Bochs (tests/bench/kvm.json)"],
                  [guest(), host()])
