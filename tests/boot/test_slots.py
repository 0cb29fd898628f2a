"""Memory slots are changed while the guest runs: guest/slots changes its own by test hypercalls.

Each processor of the guest touches the memory all the while and knows what it may see. A second VM does
the same with patterns of its own, and gets the frames that the first one has given back.
"""

import pytest

from neap import OFF, vm

RAN = (r"^slots: (\d+) CPUs, (\d+) idle, (\d+) changes, touched (\d+) present, "
       r"(\d+) read-only, (\d+) absent, (\d+) during changes$")


def slots(name, words, **keys):
    """A VM that may change its slots."""
    return vm(name, "slots.elf", cmdline=f"slots.elf {words}", test_hypercalls="on", **keys)


def check(run, name):
    """The guest saw nothing wrong."""
    assert not run.lines("FAILED"), run.tail()
    assert run.end_of(name) == ("ended through its debug-exit port", 1)
    assert run.errors() == []


def check_touched(run, cpus, changes):
    """All processors touched the memory, in every state it can be in."""
    numbers = [int(n) for n in run.find(RAN).groups()]
    assert numbers[:2] == [cpus, 0]
    assert numbers[2] >= changes * 3 // 4       # a few find nothing to do
    assert all(n > 0 for n in numbers[3:6])
    return numbers


def test_errors(run_guests):
    run = run_guests(slots("slots", "errors"))
    run.expect_status(1)
    run.find("^slots: 32 errors, 0 failed$")
    check(run, "slots")


def test_off(run_guests):
    """Without the key in the manifest there are no such calls."""
    run = run_guests(vm("slots", "slots.elf", cmdline="slots.elf off"))
    run.expect_status(1)
    run.find("^slots: no such calls$")
    check(run, "slots")


def test_leave(run_guests):
    """A VM that ends while the worker changes its slots."""
    run = run_guests(slots("slots", "leave"), vm("hello", "hello.elf", "16M"))
    run.expect_status(1)
    check(run, "slots")
    assert run.end_of("hello")[1] == 1


@pytest.mark.slow(30)
@pytest.mark.parametrize("changes", [150])
def test_one_processor(run_guests, changes):
    run = run_guests(slots("slots", f"changes={changes}"), smp=1)
    run.expect_status(1)
    check(run, "slots")
    check_touched(run, 1, changes)


@pytest.mark.slow(60)
@pytest.mark.target("bochs")
def test_processors_in_turns(run_guests):
    run = run_guests(slots("slots", "changes=10 seed=2", cpus=2), smp=2, timeout=600.0,
                     until="^neap: no virtual machine is left")
    run.expect_status(OFF)
    check(run, "slots")
    check_touched(run, 2, 10)


@pytest.mark.slow(60)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("seed", [3, 4])
def test_processors_in_parallel(run_guests, seed):
    """Three processors touch, and another VM takes up the freed frames."""
    run = run_guests(slots("slots", f"changes=300 seed={seed}", cpus=3),
                     slots("other", f"changes=600 seed={seed} magic=0x07e40000", uart="off"),
                     smp=4, timeout=600.0)
    run.expect_status(1)
    check(run, "slots")
    assert run.end_of("other") == ("ended through its debug-exit port", 1)
    assert check_touched(run, 3, 300)[6] > 0
