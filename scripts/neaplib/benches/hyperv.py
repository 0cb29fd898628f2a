"""Hyper-V's hypercalls that name one processor of N, and all; and what finding one takes."""

from . import kvm
from .measure import BOCHS_VMX, emulator, guest_output, medians, output_of, processor
from .report import Report, Table

MANIFEST = """[vm hv]
cpus = {cpus}
memory = 128M
kernel = hyperv.elf
hyperv = on
vp_index = {order}
cmdline = bench
"""
CPUS = (2, 8, 64, 256, 1000)
ORDERS = ("identity", "reversed")
# KVM's figures of the largest VM are of this many vCPUs.
KVM_CPUS = {1000: 1024}


def calls():
    """Operations down, machines across: Neap's, and under each what KVM takes."""
    columns = {(cpus, order): medians(guest_output(
        "vmx", MANIFEST.format(cpus=cpus, order=order), "hyperv.elf"))
        for cpus in CPUS for order in ORDERS}
    peers = {(row["vcpus"], row["vp_index"]): row for row in kvm.load()["hyperv"]}
    rows = []
    for name in dict.fromkeys(name for column in columns.values() for name in column):
        if name == "empty-pair":
            continue
        rows.append([name, *(column.get(name) for column in columns.values())])
        peer = [peers.get((KVM_CPUS.get(cpus, cpus), order), {}).get(name) for cpus, order in columns]
        if any(peer):
            rows.append([f"{name}, KVM", *peer])
    heads = [f"{cpus}{' rev' if order == 'reversed' else ''}" for cpus, order in columns]
    return Table(["vCPUs", *heads], rows)


def look_ups():
    """Ticks of this machine's TSC to find the vCPU with a VP index, and by looking at one after the other."""
    heads, *lines = (line.split() for line in output_of(["build/bench/vp_index"]).splitlines())
    return Table(heads, [[int(count), *map(float, ticks)] for count, *ticks in lines],
                 f"Finding one, TSC ticks on {processor()}")


def take():
    """The report."""
    conditions = [
        f"instructions, median of 301; VMX in {emulator('Bochs')} {BOCHS_VMX}; one vCPU calls, the last "
        "one is named, the others do not run; rev: VP indexes reversed",
        "KVM: default mitigations, the same model, 1024 vCPUs in the last two columns "
        "(tests/bench/kvm.json)",
    ]
    return Report("hyperv", "Hyper-V hypercalls and VP indexes", conditions, [calls(), look_ups()])
