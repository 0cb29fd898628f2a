"""The dirty log: guest/dirty reads it by test hypercalls while all of its processors write.

Each way of logging is tested wherever the machine has it: by write protection, by the dirty bits, and
by page-modification logging, which of the two targets only Bochs has.
"""

import pytest

from neap import vm

METHODS = {"wp": "write protection", "ad": "dirty bits", "pml": "page-modification logging"}
KVM_1024 = 360802   # instructions of KVM_GET_DIRTY_LOG in the same Bochs
STORM = (r"^dirty: storm: (\d+) CPUs, (\d+) idle, (\d+) reads, (\d+) pages logged, "
         r"(\d+) writes, (\d+) of others during reads, (\d+) failed$")
EXACT = r"^dirty: (\d+) CPUs, (\d+) rounds, (\d+) bits as expected, (\d+) not$"


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
    numbers = [int(n) for n in run.find(EXACT).groups()]
    assert numbers[:2] == [cpus, rounds]
    assert numbers[2] >= 2 * rounds * 2000 and numbers[3] == 0


def check_storm(run, cpus, reads):
    """All wrote, much was logged, and reading stopped nobody."""
    numbers = [int(n) for n in run.find(STORM).groups()]
    assert numbers[:3] == [cpus, 0, reads]
    assert numbers[3] > reads * 10 and numbers[6] == 0
    assert cpus == 1 or numbers[5] > 0
    return numbers


def run_all(run_guests, method, cpus, rounds, reads, **options):
    """Refused calls, rounds of known writes, and a storm."""
    run = run_guests(dirty("dirty", f"errors exact={rounds} storm={reads}", cpus=cpus),
                     cmdline=f"dirty={method}", timeout=600.0, **options)
    check(run, method, "dirty")
    run.find("^dirty: 12 errors, 0 failed$")
    check_exact(run, cpus, rounds)
    check_storm(run, cpus, reads)
    return run


@pytest.mark.slow(40)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("cpus, rounds, reads", [(1, 6, 40), (2, 3, 16), (4, 2, 8)])
def test_vmx(run_guests, method, cpus, rounds, reads):
    run = run_all(run_guests, method, cpus, rounds, reads, smp=cpus)
    # The processor logs where it can, and with one of them its log is full now and then.
    assert method != "pml" or cpus > 1 or run.find("page-modification log full [1-9]")


@pytest.mark.slow(10)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("method", ["wp", "ad"])
@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_svm(run_guests, method, cpus):
    run_all(run_guests, method, cpus, 5, 60)


@pytest.mark.slow(10)
@pytest.mark.target("bochs")
def test_without_dirty_bits(run_guests):
    """A processor that has neither: nothing need be said for write protection to be used."""
    run = run_guests(dirty("dirty", "exact=3 storm=10"), cpu="corei7_sandy_bridge_2600k")
    check(run, "wp", "dirty")


@pytest.mark.slow(10)
@pytest.mark.target("bochs")
def test_dirty_bits_of_npt(run_guests):
    """The other vendor's processor in Bochs: what is not there is not used, asked for or not."""
    run = run_guests(dirty("dirty", "exact=3 storm=10"), cpu="zambezi", cmdline="dirty=pml")
    check(run, "ad", "dirty")


@pytest.mark.slow(10)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("method", METHODS)
def test_cost(run_guests, method):
    """Reading and re-arming 1024 dirty pages costs at most a tenth of what it costs KVM."""
    run = run_guests(dirty("dirty", "bench"), cmdline=f"dirty={method}")
    check(run, method, "dirty")
    worker, whole = (int(n) for n in run.find(r"^bench: dirty-all-1024 (\d+) (\d+)").groups())
    assert 1024 < worker <= whole <= KVM_1024 // 10


@pytest.mark.slow(20)
@pytest.mark.target("qemu")
def test_two_machines(run_guests):
    """Each has its own log, and they share the worker."""
    run = run_guests(dirty("one", "storm=30", cpus=2), dirty("other", "storm=30", cpus=2, uart="off"),
                     smp=4, timeout=600.0)
    check(run, "ad", "one", "other")
