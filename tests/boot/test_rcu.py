"""RCU and TLB shootdowns in the running hypervisor."""

import re

import pytest

from neap import OFF, vm

ENDED = "^neap: vm (one|two): ended"


def statistics(run):
    """The last line of RCU's and the one of the shootdowns."""
    rcu = run.find(r"^neap: rcu: (\d+) grace periods, (\d+) kicks, .* (\d+) stalls; (\d+) callbacks, "
                   r"(\d+) run, at most (\d+) of (\d+) in a queue")
    mmu = run.find(r"^neap: mmu: (\d+) shootdowns, .* (\d+) at loads, .* (\d+) timed out; "
                   r"(\d+) table pages freed")
    return [int(n) for n in rcu.groups()], [int(n) for n in mmu.groups()]


def test_statistics_at_the_end(run_guests):
    run = run_guests(vm("one", "hello.elf"), vm("two", "hello.elf"), smp=2)
    (periods, _, stalls, queued, ran, high, cap), (shootdowns, loads, timed_out, freed) = statistics(run)
    # One for each VM's tables, and the self-test's.
    assert periods >= 3 and shootdowns == 2
    assert stalls == 0 and timed_out == 0
    assert queued == ran >= 1 and high <= cap
    # Each VM's first vCPU finds the processor's caches as another VM left them.
    assert loads >= 2 and freed >= 2 * 3
    assert run.errors() == []


def test_a_guest_that_never_exits_stalls_nothing(run_guests):
    """One VM loops with interrupts off; the others end, and their tables are freed meanwhile."""
    run = run_guests(vm("spin", "spin.elf"), vm("one", "hello.elf"), vm("two", "hello.elf"),
                     send=[(ENDED, "")], until=ENDED, smp=2)
    run.expect_status(OFF)
    assert run.end_of("one")[1] == 1 and run.end_of("two")[1] == 1
    assert not run.has_ended("spin")
    assert not re.search("stalls grace period|does not flush|self-test", run.log)
    assert run.errors() == []


@pytest.mark.slow(30)
def test_slots_change_beside_it(run_guests):
    """Each change takes grace periods and a shootdown, and gives back frames, overwritten, that the other gets."""
    changing = {"test_hypercalls": "on"}
    run = run_guests(vm("spin", "spin.elf"),
                     vm("one", "slots.elf", cmdline="slots.elf changes=20 seed=5", **changing),
                     vm("two", "slots.elf", cmdline="slots.elf changes=20 seed=6 magic=0x07e40000", uart="off",
                        **changing),
                     send=[(ENDED, "")], until=ENDED, smp=3, timeout=600.0)
    run.expect_status(OFF)
    for name in ("one", "two"):
        assert run.end_of(name) == ("ended through its debug-exit port", 1)
    run.find("^slots: 1 CPUs, 0 idle, [0-9]+ changes, ")
    assert not run.has_ended("spin")
    assert not re.search("FAILED|stalls grace period|does not flush|self-test", run.log)
    assert run.errors() == []
