"""Who gets how much of the processors: weights, pinning, more vCPUs than processors.

Shares are taken from what Neap says of a VM at its end, by its own clock, which in Bochs counts
instructions; so it does in QEMU where one processor at a time has something to do. Elsewhere in QEMU the
processors' time depends on what else the host does: it may leave one alone for a second. The bounds are
wide then, and the time is long.
"""

import re

import pytest

from neap import NOT_STARTED, vm

FOREVER = "1000000"     # milliseconds
COUNTED = {"icount": True}


@pytest.fixture(name="target")
def fixture_target(boot_target):
    """The emulator."""
    return boot_target({})["target"]


@pytest.fixture(name="counted")
def fixture_counted(target):
    """Options for a machine whose time is a count of instructions."""
    return COUNTED if target == "qemu" else {}


def share(name, milliseconds, **keys):
    """A VM that counts for so long; the second one's output would be in the first one's way."""
    return vm(name, "share.elf", cmdline=f"share.elf {milliseconds}", **keys)


def spinner(**keys):
    """A neighbour that never gives a processor away."""
    return share("spinner", FOREVER, uart="off", **keys)


def run_until_end(run_guests, *sections, **options):
    """Runs until the VM `counter` has ended."""
    return run_guests(*sections, until=r"^neap: vm counter: .*, status \d+, after", timeout=600.0, **options)


def scheduled(run, name):
    """Of a VM that has ended: milliseconds it ran, turns, moves, milliseconds from start to end."""
    match = run.find(rf"^neap: vm {name}: ran for (\d+) ms in (\d+) turns?, moved (\d+) times?$")
    after = run.find(rf"^neap: vm {name}: .*, status \d+, after (\d+) ms$")
    return (*(int(n) for n in match.groups()), int(after[1]))


def counts(run):
    """What each vCPU of the VM with the serial port has counted."""
    return [int(n) for n in re.findall(r"^share: processor \d+: (\d+)$", run.log, re.MULTILINE)]


@pytest.mark.slow(15)
@pytest.mark.parametrize("weight, least, most", [(100, 40, 60), (300, 65, 85)])
def test_weights(run_guests, weight, least, most, counted):
    """Against a spinner of weight 100 on the same processor."""
    run = run_until_end(run_guests, spinner(processors="0"),
                        share("counter", 1000, weight=weight, processors="0"), smp=1, **counted)
    ran, turns, moved, after = scheduled(run, "counter")
    assert least <= 100 * ran / after <= most, (ran, after)
    assert turns > 3
    assert moved == 0


@pytest.mark.slow(15)
@pytest.mark.target("bochs")
def test_iterations(run_guests):
    """The same by what the guest itself has counted, against a run without a neighbour."""
    alone = run_until_end(run_guests, share("counter", 500), smp=1)
    shared = run_until_end(run_guests, spinner(), share("counter", 500), smp=1)
    assert 0.4 <= counts(shared)[0] / counts(alone)[0] <= 0.6


@pytest.mark.slow(20)
def test_spinning_on_all(run_guests, target):
    """Two spinning vCPUs and two that count, on two processors: half of them for each VM."""
    run = run_until_end(run_guests, spinner(cpus=2, processors="1-2"),
                        share("counter", 500 if target == "bochs" else 4000, cpus=2, processors="1-2"),
                        smp=3)
    ran, _, _, after = scheduled(run, "counter")
    least = 40 if target == "bochs" else 15
    assert least <= 100 * ran / (2 * after) <= 100 - least, (ran, after)
    assert min(counts(run)) > 0


@pytest.mark.slow(20)
def test_three_on_two(run_guests, target):
    """None of the three has a processor of its own: they take turns in being alone."""
    run = run_until_end(run_guests, share("counter", 1000 if target == "bochs" else 4000, cpus=3,
                                          processors="1-2"), smp=3)
    _, _, moved, _ = scheduled(run, "counter")
    assert moved >= 1
    assert min(counts(run)) > 0
    if target == "bochs":   # where time is exact
        assert moved >= 8
        assert min(counts(run)[1:]) > 0.6 * max(counts(run)[1:])


@pytest.mark.slow(20)
def test_pinned(run_guests, counted):
    """One processor is left to nobody, and the two that share the other never leave it."""
    run = run_until_end(run_guests, spinner(processors="1"),
                        share("counter", 1000, processors="1"), smp=2, **counted)
    ran, _, moved, after = scheduled(run, "counter")
    assert moved == 0
    assert 40 <= 100 * ran / after <= 60, (ran, after)


@pytest.mark.slow(30)
def test_sixty_four(run_guests, counted):
    """All of 64 vCPUs on one processor get on."""
    run = run_until_end(run_guests, share("counter", 1000, cpus=64), smp=1, **counted)
    assert run.end_of("counter")[1] == 1
    assert len(counts(run)) == 64
    assert min(counts(run)) > 0
    if run.lines("^neap: vmx: "):   # in Bochs, where the guest need not wait for any of them
        assert scheduled(run, "counter")[3] < 1200


def test_no_such_processor(run_guests):
    """The VM that names it is not started; the other one is."""
    run = run_guests(vm("bad", "hello.elf", processors="0-1,5"), vm("good", "hello.elf"), smp=2,
                     cmdline="linger=0")
    run.expect_status(NOT_STARTED)
    assert run.errors() == [
        "vm bad: processors: there is no processor 5; this machine's are 0 to 1",
        "vm bad: not started (its section begins on line 1 of the manifest)"]
    assert run.end_of("good")[1] == 1
    assert not run.has_ended("bad")
