"""Processors that Neap cannot run on: it says what they lack, and switches off."""

import pytest

from neap import NO_VIRTUALIZATION, OFF, vm

LACKS = "vmx: this processor lacks {}, which Neap cannot do without"
NEITHER = "virtualization: this processor offers neither VMX (Intel VT-x) nor SVM (AMD-V)"
VT_X = ("virtualization: if the processor has it, switch on \"Intel Virtualization Technology\" (VT-x) "
        "in the firmware's set-up")
NESTED = ("virtualization: it is a virtual machine's: switch on nested virtualization in its "
          "hypervisor (QEMU with KVM: -cpu host; without: -cpu max)")
NO_NPT = "svm: this processor has SVM without nested paging (NPT); Neap needs it to run guests"


@pytest.mark.target("bochs")
@pytest.mark.parametrize("cpu, sentences", [
    ("core2_penryn_t9600", [LACKS.format("extended page tables (EPT)"),
                            LACKS.format("unrestricted guest")]),
    ("corei5_lynnfield_750", [LACKS.format("unrestricted guest")]),
    ("p4_prescott_celeron_336", [NEITHER, VT_X]),
])
def test_not_enough_virtualization(run_guests, cpu, sentences):
    check(run_guests(vm("hello", "hello.elf"), cpu=cpu), sentences)


@pytest.mark.target("qemu")
@pytest.mark.parametrize("cpu, sentences", [
    ("max,-svm", [NEITHER, NESTED]),
    ("max,-npt", [NO_NPT]),
    ("Skylake-Client", [NEITHER, NESTED]),
])
def test_not_enough_virtualization_in_qemu(run_guests, cpu, sentences):
    check(run_guests(vm("hello", "hello.elf"), cpu=cpu), sentences)


def check(run, sentences):
    """Each sentence is said, no guest is started, and the machine is switched off."""
    run.expect_status(NO_VIRTUALIZATION)
    assert run.errors()[:len(sentences)] == sentences
    assert run.errors()[-1] == "no virtual machine can be started on this machine"
    assert "hello from a guest" not in run.log
    assert run.log.rstrip("\n").endswith("\nneap: exit status 6")
    assert "did not switch off" not in run.stderr


@pytest.mark.target("bochs")
def test_no_64_bit_mode(run_guests):
    run = run_guests(vm("hello", "hello.elf"), cpu="atom_n270", until="Neap needs one with it")
    run.expect_status(OFF)
    assert run.log == (
        "neap: error: this processor has no 64-bit mode; Neap needs one with it\n")


def test_heartbeat(run_guests, boot_target):
    """Where interrupts get lost, and nowhere else."""
    run = run_guests(vm("hello", "hello.elf"), smp=2)
    run.expect_status(1)
    beats = run.lines("^neap: heartbeat: 50 a second to each processor")
    assert len(beats) == (1 if boot_target({})["target"] == "qemu" else 0)
