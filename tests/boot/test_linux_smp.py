"""Linux with more vCPUs than processors, CPUs switched off and on, and several Linux machines at once."""

import pytest

from neap import OFF, PROMPT, QUICK_LINUX, stock_modules
from test_linux import COMPLAINTS, linux

SYS = "/sys/devices/system/cpu"
# Looked for in the kernel's own log, which says more than a quiet console; not found in this line.
LOOK = ("dmesg | grep -E '[B]UG|[C]all Trace|[W]ARNING: CPU|[s]tall|[l]ockup|TSC [w]arp|[n]obody cared';"
        " echo complaints $?\n")
OFF_AND_ON = (f"cd {SYS}; for i in 1 2 3; do for c in 3 5 7; do echo 0 > cpu$c/online; done; cat online;"
              " for c in 3 5 7; do echo 1 > cpu$c/online; done; done; cat online\n")
EACH = "for i in 0 1 2 3 4 5 6 7; do taskset -c $i sh -c 'cut -d\" \" -f39 /proc/self/stat'; done\n"
# The kernel compares its CPUs' TSCs only if it cannot see TSC_ADJUST, CPUID bit 9 * 32 + 1, and looks at
# them later only if its first clock, the jiffies, has not lost some meanwhile.
COMPARE = "clearcpuid=289 tsc=nowatchdog"


@pytest.mark.slow(110)
@pytest.mark.parametrize("smp", [4, 2])
def test_eight_vcpus(run_neap, smp):
    """All come up; three are switched off and on again, three times; then each runs a program."""
    run = run_neap(
        linux(cpus=8, cmdline=f"{QUICK_LINUX} quiet {COMPARE}"), stock_modules(), smp=smp,
        timeout=1200.0, send=[
            (PROMPT, f"cat {SYS}/online\n"), (PROMPT, OFF_AND_ON), (PROMPT, EACH), (PROMPT, LOOK),
            (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    assert run.lines(r"^0-\d[\d,]*$") == ["0-7"] + 3 * ["0-2,4,6"] + ["0-7"]
    assert run.lines(r"^\d$") == list("01234567")
    run.find("^complaints 1$")
    assert run.lines(COMPLAINTS) == []
    assert run.end_of("linux") == ("powered off", 0)
    assert run.errors() == []


@pytest.mark.slow(10)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("cpus, smp", [(4, 4), (4, 2), (3, 1)])
def test_tscs_of_vcpus_agree(run_neap, cpus, smp):
    """On AMD's processors the kernel measures its TSC, which fails here: it is told a frequency, any."""
    run = run_neap(
        linux(cpus=cpus, cmdline=f"{QUICK_LINUX} quiet tsc_early_khz=2000000 {COMPARE}"),
        stock_modules(), smp=smp, timeout=600.0, send=[
            (PROMPT, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource\n"),
            (PROMPT, f"cat {SYS}/online\n"), (PROMPT, LOOK), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find("^tsc(-early)?$")
    run.find(f"^0-{cpus - 1}$")
    run.find("^complaints 1$")


def run_four_machines(run_guests, smp, words, timeout):
    """Each has two vCPUs and a name of its own, reaches its prompt, and is switched off from there.

    The next one's prompt is shown as soon as one is off, in front of Neap's line about it or behind it. There
    is one prompt for each command: what is typed while a command runs gets into the midst of its output.
    """
    names = ["one", "two", "three", "four"]
    send = len(names) * [(PROMPT, "echo I am $(uname -n) with $(nproc)\n"), (PROMPT, LOOK),
                         (PROMPT, "poweroff -f\n")]
    run = run_guests(
        *(linux(name, 2, f"{QUICK_LINUX} quiet {words} hostname={name}") for name in names),
        modules=stock_modules(), smp=smp, memory=1536, timeout=timeout, send=send)
    run.expect_status(OFF)
    for name in names:
        run.find(f"^I am {name} with 2$")
        assert run.end_of(name) == ("powered off", 0)
    assert len(run.lines("^complaints 1$")) == 4
    assert run.lines(COMPLAINTS) == []
    assert run.errors() == []


@pytest.mark.slow(60)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("smp", [4, 2])
def test_four_machines(run_guests, smp):
    """A kernel that has to wait its turn for too long takes its timer to be broken: it shall not check."""
    run_four_machines(run_guests, smp, "no_timer_check", 900.0)


@pytest.mark.soak
@pytest.mark.slow(400)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("smp", [4, 2, 1])
def test_four_machines_on_vmx(run_guests, smp):
    """The kernel's first clock, the jiffies, loses some while its turn is waited for: see COMPARE."""
    run_four_machines(run_guests, smp, "no_timer_check tsc=nowatchdog", 3000.0)
