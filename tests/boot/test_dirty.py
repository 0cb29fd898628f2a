"""The dirty log: guest/dirty reads it by test hypercalls while all of its processors write.

Each way of logging is tested wherever the machine has it: by write protection, by the dirty bits, and
by page-modification logging, which of the two targets only Bochs has.
"""

import re

import pytest

from neap import vm

METHODS = {"wp": "write protection", "ad": "dirty bits", "pml": "page-modification logging"}
STORM = re.compile(r"^dirty: storm: (\d+) CPUs, (\d+) idle, (\d+) reads, (\d+) pages logged, "
                   r"(\d+) writes, (\d+) of others during reads, (\d+) failed$", re.MULTILINE)
EXACT = re.compile(r"^dirty: (\d+) CPUs, (\d+) rounds, (\d+) bits as expected, (\d+) not$",
                   re.MULTILINE)


def dirty(name, words, **keys):
    """A VM that may switch on and read its slots' logs."""
    return vm(name, "dirty.elf", cmdline=f"dirty.elf {words}", test_hypercalls="on", **keys)


def check(run, method, *names):
    """The way was used, and the guests saw nothing wrong."""
    run.expect_status(1)
    run.find(f"^neap: mmu: dirty logging by {METHODS[method]}$")
    assert not run.lines("FAILED"), run.tail()
    for name in names:
        assert run.end_of(name) == ("ended through its debug-exit port", 1)
    assert run.errors() == []


def check_exact(run, cpus, rounds):
    """All processors took part, and each bit was right."""
    numbers = [int(n) for n in EXACT.search(run.log).groups()]
    assert numbers[:2] == [cpus, rounds]
    assert numbers[2] >= 2 * rounds * 2000 and numbers[3] == 0


def check_storm(run, cpus, reads):
    """All wrote, much was logged, and reading stopped nobody."""
    numbers = [int(n) for n in STORM.search(run.log).groups()]
    assert numbers[:3] == [cpus, 0, reads]
    assert numbers[3] > reads * 10 and numbers[6] == 0
    assert cpus == 1 or numbers[5] > 0
    return numbers


@pytest.mark.slow(20)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_vmx(run_guests, method, cpus):
    run = run_guests(dirty("dirty", "errors exact=6 storm=40", cpus=cpus), smp=cpus, timeout=400.0,
                     cmdline=f"dirty={method}")
    check(run, method, "dirty")
    run.find("^dirty: 12 errors, 0 failed$")
    check_exact(run, cpus, 6)
    check_storm(run, cpus, 40)


@pytest.mark.slow(20)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("method", ["wp", "ad"])
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_svm(run_guests, method, cpus):
    run = run_guests(dirty("dirty", "errors exact=5 storm=60", cpus=cpus), smp=4, timeout=300.0,
                     cmdline=f"dirty={method}")
    check(run, method, "dirty")
    run.find("^dirty: 12 errors, 0 failed$")
    check_exact(run, cpus, 5)
    check_storm(run, cpus, 60)
