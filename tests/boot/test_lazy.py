"""Memory that is mapped when the guest touches it, and what is prefetched beside a page."""

import re

import pytest

from neap import NOT_STARTED, OFF, PROMPT, QUICK_LINUX, stock_modules, vm

# A first touch: a tenth of what it takes under KVM, in instructions.
MOST = {"corei7_skylake_x": {"touch-4K": 288, "touch-2M": 355},
        "zambezi": {"touch-4K": 298, "touch-2M": 364}}
MODES = [("lazy-4k", 0), ("lazy-4k", 128), ("lazy", 0), ("lazy", 128)]


def count_faults(run):
    """The VM's exits by memory that is not mapped, or not there."""
    match = re.search(r"(?:EPT violation|nested page fault) (\d+)", run.log)
    return int(match[1]) if match else 0


@pytest.mark.slow(30)
@pytest.mark.parametrize("populate, prefetch", MODES)
def test_linux(run_neap, populate, prefetch):
    linux = vm("linux", "vmlinuz", "256M", initrd="initrd.gz", cmdline=QUICK_LINUX,
               populate=populate, prefetch=prefetch)
    run = run_neap(linux, stock_modules(), timeout=600.0, send=[
        (PROMPT, "uname -a\n"), (PROMPT, "poweroff -f\n")])
    run.expect_status(OFF)
    run.find(r"^Linux \(none\) 6\.\d+")
    assert run.lines(r"\bBUG\b[^a-z]|WARNING: CPU|Call Trace|Oops|Kernel panic") == []
    assert run.end_of("linux") == ("powered off", 0)
    assert run.errors() == []
    faults, prefetched = count_faults(run), bool(run.lines("pages prefetched$"))
    if (populate, prefetch) == ("lazy-4k", 0):
        assert faults > 10000 and not prefetched
    elif populate == "lazy-4k":
        assert 300 < faults < 5000 and prefetched


def touch(cpus, memory, **keys):
    return vm("touch", "touch.elf", memory, cpus=cpus, **{"test_hypercalls": "on", **keys})


def check_touch(run, cpus):
    run.expect_status(1)
    run.find(rf"^touch: {cpus} CPUs, \d+ pages, \d+ changes, ok$")
    assert run.errors() == []
    return int(run.find(r"^neap: vm touch: (\d+) pages prefetched$")[1])


@pytest.mark.slow(30)
@pytest.mark.target("qemu")
@pytest.mark.parametrize("populate", ["lazy-4k", "lazy"])
def test_touch_in_parallel(run_guests, populate):
    """Three processors fault in the same tables while the number changes."""
    run = run_guests(touch(3, "256M", populate=populate, prefetch=7), smp=4, timeout=600.0)
    run.expect_status(1)
    run.find("^touch: prefetch was 7$")
    run.find(r"^touch: 3 CPUs, \d+ pages, \d+ changes, ok$")
    assert run.errors() == []
    if populate == "lazy-4k":
        assert check_touch(run, 3) > 10000


@pytest.mark.slow(30)
@pytest.mark.target("bochs")
def test_touch_in_turns(run_guests):
    run = run_guests(touch(2, "16M", populate="lazy-4k", prefetch=128), smp=2, timeout=600.0)
    run.find("^touch: prefetch was 128$")
    assert check_touch(run, 2) > 1000


def test_touch_of_mapped_memory(run_guests):
    """The call is there, and changes nothing."""
    run = run_guests(touch(1, "16M", prefetch=0))
    run.expect_status(1)
    run.find(r"^touch: 1 CPUs, \d+ pages, \d+ changes, ok$")
    assert run.lines("pages prefetched") == []


def test_no_call(run_guests):
    """Without the key in the manifest the number cannot be changed."""
    run = run_guests(touch(1, "16M", populate="lazy-4k", test_hypercalls="off"))
    run.expect_status(3)
    run.find("^touch: the call is not as it should be$")


@pytest.mark.target("qemu")
def test_too_many(run_guests):
    run = run_guests(touch(1, "16M", populate="lazy-4k", prefetch=129))
    run.expect_status(NOT_STARTED)
    run.find(r"manifest:\d+: \[vm touch\] prefetch = `129`; expected a number of pages from 0 to 128$")


@pytest.mark.target("bochs")
@pytest.mark.parametrize("cpu", list(MOST))
@pytest.mark.parametrize("populate, row", [("lazy-4k", "touch-4K"), ("lazy", "touch-2M")])
def test_first_touch(run_guests, cpu, populate, row):
    """Bochs counts instructions: the figure is exact."""
    run = run_guests(vm("bench", "exitbench.elf", "256M", cmdline=row, populate=populate, prefetch=0),
                     cpu=cpu)
    run.expect_status(1)
    median = int(run.find(rf"^bench: {row} \d+ (\d+)$")[1])
    assert 100 < median <= MOST[cpu][row]
