"""The hypervisor's concurrent code on all processors at once: build/torture.elf, see docs/testing.md.

In QEMU every processor is a thread of the host's, and so they run at the same instant; in Bochs they
take turns, at other places than in QEMU. The torture checks itself; what it sends to the serial port is
checked here.
"""

import os
import re

import pytest

from neap import BUILD

pytestmark = pytest.mark.target("qemu")
ELF = os.path.join(BUILD, "torture.elf")
PARTS = ["lock", "frame", "heap", "ptab", "pingpong", "wakeup", "threads", "slices", "migrate", "timer",
         "lapic", "lint", "ioapic", "pic", "ipi", "console", "log", "apic_bus", "vcpu_table", "tsc",
         "vms", "rcu", "tables"]
SERIAL_EVERY = 64       # of a processor's lines, one goes to the serial port


def torture(run_neap, cmdline, **options):
    return run_neap(elf=ELF, cmdline=cmdline, timeout=600, **options)


def fnv1a(text):
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 & 0xffffffff
    return value


def check_parts(run, cpus):
    """Each part did something, on all processors."""
    ended = re.findall(r"^neap: torture: (\w+): (\d+) operations, (\d+) CPUs, (\w+)$", run.log,
                       re.MULTILINE)
    assert [name for name, _, _, _ in ended] == PARTS
    for name, operations, on, verdict in ended:
        assert (int(on), verdict) == (cpus, "ok"), name
        assert int(operations) > 0, name


def check_lines(run):
    """No log line is torn, and none of those that go to the serial port is missing."""
    last = {}
    for line in run.lines("torture line: cpu"):
        match = re.fullmatch(r"neap: (torture line: cpu (\d+) number (\d+) [a-z]*) sum ([0-9a-f]{8})",
                             line)
        assert match, line
        assert fnv1a(match[1]) == int(match[4], 16), line
        assert int(match[3]) == last.get(match[2], -SERIAL_EVERY) + SERIAL_EVERY, line
        last[match[2]] = int(match[3])
    assert last


def check_words(run):
    """What the guest with the serial port wrote came out, all of it and in order."""
    count = int(run.find(r"^neap: torture words: (\d+)$")[1])
    words = re.findall(r"<(\d+):([0-9a-f]{8})>", run.guest_text())
    assert count > 0
    assert [int(number) for number, _ in words] == list(range(count))
    for number, check in words:
        assert int(check, 16) == int(number) * 2654435761 & 0xffffffff, number


@pytest.mark.slow(20)
@pytest.mark.parametrize("target, smp, seconds", [
    ("qemu", 2, 8), ("qemu", 4, 8), ("bochs", 2, 2)])
def test_torture(run_neap, target, smp, seconds):
    run = torture(run_neap, f"torture={seconds}", target=target, smp=smp).expect_status(0)
    # VMs that could not be made, on purpose.
    assert [line for line in run.errors() if not re.match(r"vm torture\d+: ", line)] == []
    check_parts(run, smp)
    check_lines(run)
    check_words(run)


@pytest.mark.slow(8)
@pytest.mark.parametrize("target, smp", [("qemu", 4), ("bochs", 2)])
def test_torture_has_the_time_it_needs(run_neap, target, smp):
    """A part whose time is over goes on until all that it wants to see has happened once."""
    check_parts(torture(run_neap, "torture=0", target=target, smp=smp).expect_status(0), smp)


@pytest.mark.slow(20)
@pytest.mark.parametrize("fault, part, says", [
    ("lock", "lock", "increments under a lock gave|has two holders|is not 3|is served after"),
    ("wakeup", "pingpong", "a wake-up is lost: after "),
    ("frame", "frame", r"frame 0x[0-9a-f]+ of a block of order \d+: word \d+ is 0x|a zeroed frame has"),
    ("rcu-early", "rcu", "a reader holds (a freed object|what is [0-9]+ grace periods old)"),
    ("rcu-flush", "tables", "the processor finds 0x[0-9a-f]+ for 0x[0-9a-f]+ in a table it has cached")])
def test_fault_is_seen(run_neap, fault, part, says):
    """The tests of the test: something is broken on purpose, and the part says what."""
    run = torture(run_neap, f"torture=60 torture_only={part} torture_fault={fault}",
                  smp=2).expect_status(1)
    run.find(rf"^neap: error: torture: {part}: CPU \d+: .*({says})")
    run.find(rf"^neap: torture: {part}: \d+ operations, 2 CPUs, failed$")


@pytest.mark.slow(40)
def test_hang_is_seen(run_neap):
    """A CPU that never gives a lock back, with interrupts off on all: only an NMI gets through."""
    run = torture(run_neap, "torture=4 torture_only=lock torture_fault=hang",
                  smp=2).expect_status(1)
    assert "torture: no progress" in run.errors()
    for cpu in range(2):
        run.find(rf"^neap: error: torture: CPU {cpu}: thread lock, .* last progress \d+ ms ago$")
    assert run.lines(r"#0 0xffffffff8[0-9a-f]{7} work\+0x")


@pytest.mark.slow(5)
@pytest.mark.parametrize("cpu, register", [
    ("corei7_skylake_x", "IA32_TSC_ADJUST"), ("corei5_arrandale_m520", "IA32_TSC"),
    ("zambezi", "IA32_TSC")])
def test_tscs_are_set(run_neap, cpu, register):
    """Processors whose counters began at different times: they are one clock nevertheless."""
    run = torture(run_neap, "torture=1 torture_only=tsc torture_fault=tsc", target="bochs", cpu=cpu,
                  smp=4).expect_status(0)
    for number in range(1, 4):
        run.find(rf"^neap: time: the TSC of CPU {number} was -?\d+ ticks ahead, and was set by {register}$")
    assert int(run.find(r"^neap: time: TSCs of 4 processors agree within (\d+) ticks$")[1]) < 1000


@pytest.mark.slow(5)
def test_a_tsc_that_goes_back_is_seen(run_neap):
    run = torture(run_neap, "torture=1 torture_only=tsc torture_fault=tsc_late", target="bochs",
                  smp=2).expect_status(1)
    run.find(r"^neap: error: torture: tsc: CPU \d: the TSC is \d+ ticks behind that of CPU \d$")


def test_no_such_part(run_neap):
    run = torture(run_neap, "torture_only=nonsense", smp=1).expect_status(1)
    assert run.errors() == ["torture: start: CPU 0: torture_only= names no part"]
