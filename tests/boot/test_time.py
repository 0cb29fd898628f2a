"""A guest's clocks against each other and against Neap's: guest/drift.c has the TSC for a measure."""

import re

import pytest

from neap import OFF, vm

TIME = 2000             # milliseconds
LIMIT = 100             # ppm


def drift(name="drift", time=TIME, **keys):
    return vm(name, "drift.elf", "32M", cmdline=f"drift.elf {time}", **keys)


def check_clocks(text, lost=0, edge=20, time=TIME):
    """Their speeds are the TSC's; at most the fraction `lost` of a timer's interrupts share one.

    Or half of that come later: some of what the 8254 makes up for may be from before. A change of the RTC's seconds is
    seen `edge` milliseconds late at most.
    """
    for name in ("PM timer", "8254", "local APIC"):
        ppm, ms = re.search(rf"drift: {name}: (-?\d+) ppm over (\d+) ms", text).groups()
        assert abs(int(ppm)) <= LIMIT and int(ms) >= time - 100, name
    ppm, seconds = map(int, re.search(r"drift: RTC: (-?\d+) ppm over (\d+) s", text).groups())
    assert seconds >= 2
    assert abs(ppm) <= LIMIT + edge * 1000 / seconds
    counts = re.findall(r"(\d+) of (\d+) interrupts", text)
    assert len(counts) == 3
    for came, due in counts:
        assert int(due) * (1 - lost) - 2 <= int(came) <= int(due) * (1 + lost / 2) + 2


def check_length(run, name, slack):
    """Neap says how long the VM ran; the guest's TSC, which began at 0, says the same."""
    ms = int(run.find(rf"^neap: vm {name}: .*, after (\d+) ms$")[1])
    told = int(run.find(r"^drift: (\d+) ms by the TSC since power-on$")[1])
    assert -2 <= ms - told <= slack


@pytest.fixture(name="leniency")
def fixture_leniency(boot_target):
    """(milliseconds to measure, fraction of lost interrupts, late edges, slack in ms): QEMU's processors are
    threads that wait, for a second now and then."""
    return (TIME, 0, 20, 20) if boot_target({})["target"] == "bochs" else (3 * TIME, 0.9, 1500, 5000)


@pytest.mark.slow(15)
@pytest.mark.parametrize("neighbour", ["", "spins"])
def test_clocks_agree(run_guests, neighbour, leniency):
    """Also beside a guest that never gives the processor away."""
    time, lost, edge, slack = leniency
    sections = [drift(time=time)] + ([vm("spin", "spin.elf", "32M")] if neighbour else [])
    run = run_guests(*sections, smp=1, timeout=600.0,
                     until="^neap: vm drift: .*, status").expect_status(OFF)
    check_clocks(run.log, lost, edge, time)
    check_length(run, "drift", slack)


@pytest.mark.slow(15)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("hz, khz", [("250M", 250000), ("40000001K", 40000001), ("33M", 33000)])
def test_scaled_tsc(run_guests, hz, khz):
    """A frequency of its own, also with another guest on the processor that has another one."""
    run = run_guests(drift(tsc_hz=hz), vm("spin", "spin.elf", "32M", tsc_hz="70M"), smp=1,
                     cpu="corei7_skylake_x", until="^neap: vm drift: .*, status").expect_status(OFF)
    run.find(f"^drift: TSC {khz} kHz by leaf 15, {khz} kHz by leaf 40000010$")
    check_clocks(run.log)
    check_length(run, "drift", 20)
    assert run.lines("^neap: warning: vm ") == []


@pytest.mark.slow(15)
def test_tsc_that_cannot_be_scaled(run_guests):
    """The guest runs, with the processor's own TSC; one line says so."""
    run = run_guests(drift(tsc_hz="1234M"), bochs_cpu="corei5_arrandale_m520").expect_status(1)
    hz = int(run.find(r"^neap: warning: vm drift: tsc_hz = 1234000000: this processor cannot make such a TSC; "
                      r"the guest has its own, of (\d+) Hz$")[1])
    run.find(f"^drift: TSC {hz // 1000} kHz by leaf 15")
