"""Debian's Linux, unchanged, with a busybox shell: boots, is used, restarts and powers off."""

import re

import pytest

from neap import OFF, PROMPT, QUICK_LINUX, stock_modules, vm

# What Linux says when the machine under it misbehaves. ACPI Error and Warning are ACPICA's own.
COMPLAINTS = (r"ACPI (BIOS )?(Error|Warning|Exception)|\bBUG\b[^a-z]|WARNING: CPU|Call Trace|Oops"
              r"|unchecked MSR|Kernel panic|soft lockup|rcu: INFO|Marking clocksource"
              r"|nobody cared|invalid opcode|clocksource: timekeeping")
NO_XSAVE = "corei5_arrandale_m520"
STOCK = "console=ttyS0,115200"
LONG = "".join(chr(ord("a") + i % 26) for i in range(300))
UNAME = r"^Linux \(none\) 6\.\d+\.\d+-\S+ #1 SMP .* x86_64 GNU/Linux$"


def linux(name="linux", cpus=1, cmdline=QUICK_LINUX):
    return vm(name, "vmlinuz", "256M", cpus=cpus, initrd="initrd.gz", cmdline=cmdline)


def interrupts(run, line):
    """The count of CPU 0 in that line of /proc/interrupts."""
    return int(run.find(rf"^ *{line}: +(\d+)\b")[1])


@pytest.mark.slow(60)
def test_stock_guest(run_stock):
    run = run_stock(timeout=600.0, send=[
        (PROMPT, "uname -a\n"), (PROMPT, "cat /proc/interrupts\n"), (PROMPT, f"echo {LONG}\n"),
        (PROMPT, "echo cpus $(nproc) status $?\n"), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find(UNAME)
    assert interrupts(run, 4) > 20          # the serial port's, for what was typed and printed
    assert interrupts(run, "LOC") > 100     # the local APIC's timer
    assert interrupts(run, "ERR") == 0
    run.find(r" 4: +\d+ +IO-APIC +4-edge +ttyS0$")
    run.find(rf"^{LONG}$")
    run.find("^cpus 1 status 0$")
    run.find(r"Hypervisor detected|Command line: console=ttyS0,115200$")
    assert run.lines(COMPLAINTS) == []
    assert run.end_of("linux") == ("powered off", 0)
    assert run.errors() == []
    assert run.log.rstrip("\n").endswith("neap: no virtual machine is left\nneap: exit status 0")


@pytest.mark.slow(40)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("cpu", ["corei7_sandy_bridge_2600k", NO_XSAVE, "zambezi", "trinity_apu"])
def test_other_processors(run_neap, cpu):
    """Where there is no XSAVE the ciphers are tested, which use vector registers all the time."""
    cmdline = STOCK if cpu == NO_XSAVE else QUICK_LINUX
    run = run_neap(linux(cmdline=cmdline), stock_modules(), cpu=cpu, timeout=600.0, send=[
        (PROMPT, "uname -a\n"), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find(UNAME)
    assert run.lines(COMPLAINTS) == []
    assert run.end_of("linux") == ("powered off", 0)


@pytest.mark.slow(60)
def test_reboot_restarts_the_machine(run_neap):
    run = run_neap(linux(cmdline=f"{QUICK_LINUX} quiet"), stock_modules(),
                   bochs_cpu="corei7_haswell_4770", timeout=900.0, send=[
        (PROMPT, "uname -a\n"), (PROMPT, "touch /left && reboot -f\n"),
        (PROMPT, "test -e /left || echo fresh\n"), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find(UNAME)
    run.find("^fresh$")
    assert run.lines(COMPLAINTS) == []
    assert len(run.lines("^neap: vm linux: 1 vCPU, 256 MiB, kernel vmlinuz, initrd init")) == 2
    ends = run.lines("^neap: vm linux: .*, status")
    assert [re.match("neap: vm linux: ([a-z ]+), status 0,", line)[1] for line in ends] == [
        "reset", "powered off"]


@pytest.mark.slow(50)
def test_two_processors_and_another_guest(run_guests):
    """Linux with two vCPUs on two processors, while another guest waits for its input."""
    run = run_guests(
        linux(cpus=2, cmdline=f"{QUICK_LINUX} quiet"), vm("echo", "uartecho.elf"),
        modules=stock_modules(), smp=2, timeout=1200.0, send=[
            (PROMPT, "echo cpus $(nproc)\n"), (PROMPT, "cat /proc/interrupts\n"),
            (PROMPT, "for i in 0 1; do taskset $((i+1)) echo on $i; done\n"),
            (PROMPT, "\x1cn"), ("uartecho: ready", "still here\n"), ("STILL HERE", "quit\n"),
            ("vm echo: ended", "\n"), (PROMPT, "poweroff -f\n")],
        until="^neap: no virtual machine is left")
    run.expect_status(OFF)
    run.find("^neap: smp: 2 of 2 processors run$")
    run.find("^cpus 2$")
    run.find("^on 0$")
    run.find("^on 1$")
    counts = run.find(r"^ *LOC: +(\d+) +(\d+) ")
    assert min(int(counts[1]), int(counts[2])) > 20
    assert run.lines(COMPLAINTS) == []
    assert run.end_of("linux") == ("powered off", 0)
    assert run.end_of("echo") == ("ended through its debug-exit port", 1)


@pytest.mark.slow(40)
def test_two_vcpus_share_a_processor(run_guests):
    """Each is entered with the other's interrupts just dealt with: what is blocked must not get mixed up."""
    run = run_guests(
        linux(cpus=2, cmdline=f"{QUICK_LINUX} quiet"), modules=stock_modules(), smp=1,
        timeout=1200.0, send=[(PROMPT, "echo cpus $(nproc)\n"), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find("^cpus 2$")
    for complaint in ("soft lockup", "^(?!neap: ).*rcu:.*stall", "BUG:"):
        assert not run.lines(complaint)
