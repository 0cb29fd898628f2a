"""The path of a VM-exit: on Bochs, and on QEMU that counts them, the TSC counts instructions, so
the figures are exact."""

import re

import pytest

from neap import vm

MOST = 200      # instructions for the exits that ask for nothing
# The VMs here have one vCPU, and all of their memory is mapped.
SKIPPED = {"ipi-running", "ipi-halted", "touch-4K", "touch-4K-sweep", "touch-2M"}
MOST_DECODED = 300      # the same where the processor does not tell an instruction's length


def rows_of(run):
    """{name: what exitbench says of it}."""
    run.expect_status(1)
    run.find(r"^name +\| +min \| +median$")
    rows = {m[1]: m[2] for m in re.finditer(r"^bench: (\S+) (.*)$", run.log, re.MULTILINE)}
    print("\n".join(f"{name:24} {value}" for name, value in rows.items()))
    return rows


def medians(rows):
    """{name: median} of the rows that were measured."""
    median = {name: int(value.split()[1]) for name, value in rows.items() if value != "skipped"}
    assert median["empty-pair"] < 10        # else all others are wrong
    return median


@pytest.mark.target("bochs")
def test_exit_paths(run_guests):
    rows = rows_of(run_guests(vm("bench", "exitbench.elf")))
    for name in {"vmmcall-unknown", *SKIPPED}:
        assert rows.pop(name) == "skipped"
    median = medians(rows)
    assert set(median) == set(rows), "rows were skipped"
    assert len(median) >= 28
    assert 20 < median["cpuid"] <= MOST
    assert 20 < median["vmcall-unknown"] <= MOST
    # Registers of the APIC that the processor virtualizes, or that belong to the guest: no exit.
    for name in ("xapic-read-ID", "x2apic-read-ID", "wrmsr-PAT", "cr4-SMEP"):
        assert median[name] < 20, name


@pytest.mark.parametrize("machine, most, lacking", [
    pytest.param({"target": "bochs", "cpu": "zambezi", "smp": 1}, MOST, {"cr4-SMEP"}, id="zambezi"),
    pytest.param({"target": "qemu", "icount": True, "smp": 1}, MOST_DECODED, set(), id="icount"),
])
@pytest.mark.target("qemu")
def test_exit_paths_on_svm(run_guests, machine, most, lacking):
    rows = rows_of(run_guests(vm("bench", "exitbench.elf"), **machine))
    median = medians(rows)
    assert set(rows) - set(median) == {"vmcall-unknown"} | SKIPPED | lacking
    for name in ("cpuid", "vmmcall-unknown", "rdmsr-TSC_ADJUST", "wbinvd", "out-unclaimed"):
        assert 20 < median[name] <= most, name


@pytest.mark.parametrize("cpu", ["corei7_skylake_x", "zambezi"])
@pytest.mark.target("bochs")
def test_ipi_to_another_vcpu(run_guests, cpu):
    """Each vCPU has a processor. The TSC of both advances by a quantum of 16 instructions."""
    rows = rows_of(run_guests(vm("bench", "exitbench.elf", cpus=2, cmdline="ipi-"), cpu=cpu, smp=2))
    assert set(rows) == {"empty-pair", "ipi-running", "ipi-halted"}
    for name in ("ipi-running", "ipi-halted"):
        assert 100 < int(rows[name].split()[1]) < 6485, name


@pytest.mark.target("bochs")
def test_virtual_interrupt_delivery(run_guests):
    """With it the processor sends an interrupt to itself without an exit; off unless asked for."""
    run = run_guests(vm("bench", "exitbench.elf", cmdline="SELF_IPI self-IPI"), cmdline="vid=on")
    run.expect_status(1)
    median = {m[1]: int(m[2]) for m in re.finditer(r"^bench: (\S+) \d+ (\d+)$", run.log, re.MULTILINE)}
    assert median["x2apic-SELF_IPI"] < 100
    assert median["xapic-self-IPI"] < 100
    assert 100 < median["x2apic-self-IPI"] < 1000
