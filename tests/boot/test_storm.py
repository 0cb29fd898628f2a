"""Many vCPUs that send each other every kind of interrupt: guest/storm checks that each event arrives
once, and in time; docs/testing.md.

In Bochs processors take turns, at a rate that is always the same; in QEMU they run at the same instant.
"""

import re

import pytest

from neap import vm

PARTS = ["ipi", "nmi", "tlb", "timer", "halt", "restart", "ioapic"]
# Milliseconds of the guest's time after which an event is lost: Bochs counts instructions, and the time
# of QEMU passes even while the host does something else.
PATIENCE = {"bochs": 2000, "qemu": 30000}
# How much longer than in Bochs it takes: an exit costs some 25 us there.
LONGER = {"bochs": 1, "qemu": 5}
PASSED = 1          # exit(0) through the debug-exit port
FAILED = 3          # exit(1)


@pytest.fixture
def storm(run_guests, boot_target, request):
    """Runs storms side by side: storm(cpus, seconds, words, ..., smp=N)."""
    target = boot_target({})["target"]

    def run(cpus, seconds, *cmdlines, **options):
        words = f"timeout={PATIENCE[target]} seconds={seconds * LONGER[target]:.3f}"
        sections = [vm(f"storm{number}", "storm.elf", cpus=cpus, cmdline=f"{words} {cmdline}")
                    for number, cmdline in enumerate(cmdlines)]
        return run_guests(*sections, timeout=request.node.get_closest_marker("slow").args[0] * 20,
                          **options)
    return run


def check(run, cpus, parts):
    """All parts have done something, nothing was lost, and nothing came from nowhere."""
    run.expect_status(PASSED)
    for part in parts:
        sent, arrived = run.find(
            rf"^storm: {part}: sent (\d+), arrived (\d+), void \d+, lost 0, spurious 0$").groups()
        assert int(sent) > 0 and int(arrived) > 0, part
    run.find(r"^storm: \d+ events, 0 lost, 0 spurious$")
    assert run.errors() == []
    for mode in ("xapic", "x2apic"):
        run.find(f"storm: {cpus} vCPUs greeted in {mode} mode")


@pytest.mark.slow(30)
@pytest.mark.parametrize("cpus, smp, seconds, words", [
    (4, 1, 0.3, "seed=1"),
    (4, 2, 0.2, "seed=2"),
    (4, 4, 0.2, "seed=3 cluster"),
    (32, 4, 0.1, "seed=4"),
])
def test_storm(storm, cpus, smp, seconds, words):
    check(storm(cpus, seconds, words, smp=smp), cpus, PARTS)


@pytest.mark.slow(20)
def test_sti_hlt(storm):
    """Sleepers whose timer may strike between STI and HLT, while other interrupts come."""
    run = storm(6, 1, "seed=77 only=halt", smp=3)
    run.expect_status(PASSED)
    run.find(r"^storm: halt: sent (\d+), arrived \1, void 0, lost 0, spurious 0$")


@pytest.mark.slow(30)
def test_two_storms(storm):
    """Side by side, on the same processors; each in its own time."""
    run = storm(4, 0.2, "seed=5", "seed=6", smp=2, cmdline="console=all")
    run.expect_status(PASSED)
    for number in range(2):
        assert run.end_of(f"storm{number}")[1] == PASSED
        assert re.search(r"^storm: \d+ events, 0 lost, 0 spurious$", run.text_of(f"storm{number}"),
                         re.MULTILINE)


@pytest.mark.slow(10)
@pytest.mark.parametrize("part, fault, says", [
    ("ipi", "lose", r"ERROR: ipi: lost: it was not answered, vector 0x[0-9a-f]+, from cpu \d+"),
    ("ipi", "spurious", r"ERROR: ipi: spurious: nobody has sent it, vector 0x41, to cpu \d+"),
    ("tlb", "stale", r"ERROR: tlb: stale.*, to cpu \d+ "),
])
def test_fault_is_seen(storm, boot_target, part, fault, says):
    """The test of the test: something is broken on purpose, and it says what.

    Only what is lost is to be waited for, longer than a processor may stand still: that would be told first.
    """
    patience = PATIENCE[boot_target({})["target"]] // (10 if fault == "lose" else 1)
    run = storm(4, 60, f"mode=x2apic timeout={patience} only={part} fault={fault}", smp=2)
    run.expect_status(FAILED)
    run.find(says)
    run.find(r"^storm: cpu \d+: rip (0x)?[0-9a-f]+ rflags .* irr .* isr ")
    run.find(r"^storm: failed$")


@pytest.mark.slow(60)
@pytest.mark.target("bochs")
def test_300_vcpus(run_guests):
    """With APIC ids that only x2APIC mode has; all are started, and get one interrupt each."""
    run = run_guests(vm("storm", "storm.elf", cpus=300, cmdline="seconds=0"), timeout=600)
    run.expect_status(PASSED)
    run.find(r"^storm: 300 vCPUs greeted in x2apic mode$")
    run.find(r"^storm: ipi: sent 300, arrived 300, void 0, lost 0, spurious 0$")


def test_no_such_part(run_guests):
    run = run_guests(vm("storm", "storm.elf", cmdline="only=nonsense"))
    run.expect_status(FAILED)
    run.find(r"^storm: no such part: nonsense$")
