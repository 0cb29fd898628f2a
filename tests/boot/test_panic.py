"""Neap's own failures, provoked: told with registers and a backtrace by name, then it stops."""

import re

import pytest

from neap import PANICKED, vm


def provoke(run_guests, how, **options):
    run = run_guests(vm("hello", "hello.elf"), cmdline=f"panic={how}", **options)
    run.expect_status(PANICKED)
    assert run.errors()[-1] == "panic: end; the machine is stopped"
    assert "hello from a guest" not in run.log
    return run


def frames(run):
    """The names of the functions in the backtrace."""
    found = [re.fullmatch(r"  #(\d+) 0xffffffff8[0-9a-f]{7} (\S+)\+0x[0-9a-f]+", line)
             for line in run.errors()]
    found = [match for match in found if match]
    assert [int(match[1]) for match in found] == list(range(len(found)))
    return [match[2].removesuffix(".cold") for match in found]


@pytest.mark.parametrize("smp", [1, 4])
def test_panic(run_guests, smp):
    run = provoke(run_guests, "test", smp=smp)
    assert re.fullmatch("panic: on CPU 0, CR3 0x[0-9a-f]+", run.errors()[0])
    assert run.errors()[1] == "panic=test on the command line"
    assert frames(run)[:2] == ["panic_test", "hv_main"]


def test_backtrace_from_an_image(run_guests):
    """There neap.elf has no symbols: the names come from the table that is part of Neap."""
    run = provoke(run_guests, "test", boot="iso")
    assert frames(run)[:2] == ["panic_test", "hv_main"]


@pytest.mark.parametrize("how, error, cr2", [
    ("fault", 2, "ffff900000000000"), ("write", 3, "ffffffff80200000")])
def test_page_fault(run_guests, how, error, cr2):
    """A wild pointer, and a write to the hypervisor's own text."""
    run = provoke(run_guests, how)
    first = run.errors()[0]
    assert first.startswith(f"panic: page fault (vector 14, error 0x{error}) on CPU 0 at panic_")
    assert [line for line in run.errors() if line.startswith(f"  cr2 {cr2} ")]
    assert [line for line in run.errors() if re.match("  rip ffffffff8[0-9a-f]{7} cs ", line)]
    assert "hv_main" in frames(run)


def test_stack_overflow(run_guests):
    run = provoke(run_guests, "overflow")
    assert run.errors()[0].startswith("panic: double fault (vector 8, error 0x0) on CPU 0 at ")
    assert re.fullmatch("  stack overflow: 0xffffc[0-9a-f]{11} is in a guard page", run.errors()[1])
    assert frames(run)[0] == "panic_test_recurse"
    assert len(frames(run)) <= 64
