"""VMs are born and die by themselves: what a guest does at its end touches nobody else, and everything
that it had comes back."""

import re

import pytest

from neap import KILLED, vm

REBOOTS = 8             # exit status: a VM has reset itself more often than its `reboots` allows
WAYS = ["kbc", "port92", "cf9", "acpi"]
AS_BEFORE = r"^neap: memory: (\d+) of \d+ frames free, as before the first VM$"


def rebooting(name, way, reboots, **keys):
    """A VM whose guest looks at its RAM, fills it, and resets."""
    return vm(name, "reboot.elf", "2M", cmdline=way, reboots=reboots, **keys)


def check_memory(run):
    """Every frame is free again at the end; returns how many."""
    assert not run.lines("^neap: warning: memory")
    return int(run.find(AS_BEFORE)[1])


def check_reboots(run, name, count):
    """The VM was started again so many times, and then left alone."""
    run.find(f"^neap: error: vm {name}: not started again: `reboots` allows {count} restarts$")
    told = [int(n) for n in re.findall(rf"^neap: vm {name}: restart (\d+)$", run.log, re.MULTILINE)]
    assert told == [n for n in range(1, count + 1) if n <= 4 or n & (n - 1) == 0]


@pytest.mark.slow(50)
def test_a_thousand_lives(run_guests):
    """The same number of frames is free after each of them that is told of, and at the end."""
    run = run_guests(rebooting("a", "kbc", 1000), timeout=600.0).expect_status(REBOOTS)
    check_reboots(run, "a", 1000)
    free = [int(n) for n in re.findall(r"^neap: memory: (\d+) of \d+ frames free$", run.log,
                                       re.MULTILINE)]
    assert len(free) >= 10
    assert set(free) == {check_memory(run)}
    assert "reboot: " not in run.log


def test_born_with_zeroed_memory(run_guests):
    """Every word of what the VM before it has filled; and it can be told otherwise."""
    run = run_guests(rebooting("zero", "cf9 all", 3)).expect_status(REBOOTS)
    check_reboots(run, "zero", 3)
    assert run.end_of("zero") == ("reset", 0)
    check_memory(run)


def test_no_restart(run_guests):
    run = run_guests(rebooting("once", "kbc", 0)).expect_status(REBOOTS)
    check_reboots(run, "once", 0)


def test_neighbours_go_on(run_guests):
    """One VM is in the midst of a line while others reset, fault, switch off and end around it.

    What is typed into it waits until its UART is ready: from its first byte on, whatever ends that line.
    """
    began = r"^u|vm last: restart 4$"
    over = r"vm \w+: not started again"
    run = run_guests(
        vm("echo", "uartecho.elf", "4M"), *(rebooting(way, way, 12) for way in WAYS),
        vm("triple", "triplefault.elf", "4M"), vm("hello", "hello.elf", "4M"),
        vm("off", "reboot.elf", "2M", cmdline="off"), rebooting("last", "kbc", 150),
        cmdline="console=echo",
        send=[(began, ""), (began, "half of "), *[(over, "") for _ in WAYS], (over, "a line\n"),
              ("HALF OF A LINE", "quit\n")],
        timeout=600.0)
    assert run.status in (REBOOTS, KILLED, 1), run.tail()
    check_reboots(run, "last", 150)
    for way in WAYS:
        check_reboots(run, way, 12)
        assert run.log.index(f"vm {way}: not started again") < run.log.index("HALF OF A LINE")
    assert run.end_of("triple") == ("stopped: see the report above", KILLED)
    assert run.end_of("off") == ("powered off", 0)
    assert run.end_of("hello") == run.end_of("echo") == ("ended through its debug-exit port", 1)
    assert "reboot: still here" not in run.log
    check_memory(run)


def test_many_processors_come_back(run_guests):
    """Stacks, local APICs and tables of 200 vCPUs, most of which have never run, twice."""
    run = run_guests(rebooting("many", "port92", 2, cpus=200), timeout=600.0).expect_status(REBOOTS)
    check_reboots(run, "many", 2)
    check_memory(run)


def test_one_that_cannot_be_built(run_guests):
    """What was built of it comes back; the other one is not touched."""
    run = run_guests(vm("huge", "hello.elf", "100G"), vm("small", "hello.elf", "2M"))
    run.find("^neap: error: vm huge: memory: 102400 MiB asked for, ")
    assert run.end_of("small") == ("ended through its debug-exit port", 1)
    check_memory(run)
