"""Processors that Neap cannot run on: it says what they lack, and switches off."""

import pytest

from neap import NO_VIRTUALIZATION, OFF, vm

LACKS = "vmx: this processor lacks {}, which Neap cannot do without"
NO_VMX = "vmx: this processor has no VMX (Intel VT-x); Neap needs it to run guests"


@pytest.mark.parametrize("cpu, sentences", [
    ("core2_penryn_t9600", [LACKS.format("extended page tables (EPT)"),
                            LACKS.format("unrestricted guest")]),
    ("corei5_lynnfield_750", [LACKS.format("unrestricted guest")]),
    ("p4_prescott_celeron_336", [NO_VMX]),
    ("zambezi", [NO_VMX]),
])
def test_not_enough_virtualization(run_guests, cpu, sentences):
    run = run_guests(vm("hello", "hello.elf"), cpu=cpu)
    run.expect_status(NO_VIRTUALIZATION)
    assert run.errors()[:len(sentences)] == sentences
    assert run.errors()[-1] == "no virtual machine can be started on this machine"
    assert "hello from a guest" not in run.log
    assert run.log.rstrip("\n").endswith("\nneap: exit status 6")
    assert "did not switch off" not in run.stderr


def test_no_64_bit_mode(run_guests):
    run = run_guests(vm("hello", "hello.elf"), cpu="atom_n270", until="Neap needs one with it")
    run.expect_status(OFF)
    assert run.log == (
        "neap: error: this processor has no 64-bit mode; Neap needs one with it\n")
