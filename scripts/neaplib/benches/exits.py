"""What a VM-exit costs, row by row of guest/exitbench.c, on VMX and SVM, beside KVM."""

from . import kvm
from .measure import BOCHS_SVM, BOCHS_VMX, MACHINES, emulator, guest_output, medians
from .report import Report, Table

MANIFEST = "[vm bench]\nmemory = 64M\nkernel = exitbench.elf\n"
# The rows that need two vCPUs, on two processors.
PAIR_ROWS = ("ipi-running", "ipi-halted")
PAIR_MANIFEST = MANIFEST + f"cpus = 2\ncmdline = {' '.join(PAIR_ROWS)}\n"
# The rows that need memory that is mapped at a touch, by the manifest's word for how.
TOUCH_ROWS = {"lazy-4k": ("touch-4K", "touch-4K-sweep"), "lazy": ("touch-2M",)}
TOUCH_MANIFEST = MANIFEST.replace("64M", "256M") + "prefetch = 0\n"
# QEMU counts instructions of one processor only.
PAIR_MACHINES = ("vmx", "svm")
# Of the measuring itself, and an empty handler's: nothing to compare.
BASE_ROWS = ("empty-pair", "int-handler")
HEADS = ["operation", "VMX", "SVM", "SVM, QEMU", "KVM, VMX", "KVM, VMX off", "KVM, SVM", "goal VMX",
         "goal SVM"]


def column(machine, cmdline):
    """{row: median} of one machine."""
    options = ["--cmdline", cmdline]
    rows = medians(guest_output(machine, MANIFEST, "exitbench.elf", *options))
    if machine in PAIR_MACHINES:
        pair = medians(guest_output(machine, PAIR_MANIFEST, "exitbench.elf", "--smp", "2", *options))
        rows.update({name: pair[name] for name in PAIR_ROWS if name in pair})
    for populate, names in TOUCH_ROWS.items():
        manifest = f"{TOUCH_MANIFEST}populate = {populate}\ncmdline = {' '.join(names)}\n"
        found = medians(guest_output(machine, manifest, "exitbench.elf", *options))
        rows.update({name: found[name] for name in names})
    return rows


def table(columns, peers):
    """{machine: {row: median}} beside KVM's figures."""
    rows, over = [], []
    for name in dict.fromkeys(name for rows_of in columns.values() for name in rows_of):
        values = [columns[machine].get(name) for machine in MACHINES]
        peer = [peers.get(name, {}).get(key) for key in ("vmx", "vmx_off", "svm")]
        goals = [kvm.tenth(*peer[:2]), kvm.tenth(peer[2])]
        rows.append([name, *values, *peer, *goals])
        if name not in BASE_ROWS and goals[0] and values[0] and values[0] > goals[0]:
            over.append(f"{name} ({values[0]}, {goals[0]})")
    notes = ["Above a tenth of KVM's on VMX: " + (", ".join(over) or "none") + "."]
    return Table(HEADS, rows, notes=notes)


def take(cmdline=""):
    """The report; cmdline: options of Neap's."""
    columns = {machine: column(machine, cmdline) for machine in MACHINES}
    conditions = [
        "instructions that guest and hypervisor execute, median of 1000 (of 100 for the timer, of 200 "
        "for IPIs to another vCPU); exact",
        f"VMX: {emulator('Bochs')} {BOCHS_VMX}; SVM: the same with {BOCHS_SVM}, and "
        f"{emulator('QEMU')} -cpu max -icount shift=0",
        "KVM off: with mitigations=off; goal: a tenth of the lesser of KVM's (tests/bench/kvm.json)",
        "the ipi rows: two vCPUs on two processors; Bochs' TSC counts 16 for both",
    ]
    if cmdline:
        conditions.append(f"Neap's command line: {cmdline}")
    return Report("exits", "What exits cost", conditions, [table(columns, kvm.load()["exits"])])
