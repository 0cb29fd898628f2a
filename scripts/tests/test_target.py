"""Which emulator is chosen, on machines of all kinds, and what is refused."""

import os
from argparse import Namespace

import pytest

from neaplib import UserError, target
from neaplib.target import Host, Target, choose

DEFAULTS = {"target": "auto", "kvm": None, "cpu": None, "firmware": "bios", "boot": "iso",
            "net": None, "machine": "pc", "icount": False, "screenshot": None, "bochs_log": None,
            "qemu_log": None}


def options(**given):
    return Namespace(**{**DEFAULTS, **given})


@pytest.fixture
def host(tmp_path):
    """Makes a machine: programs, and the state of KVM."""

    def make(programs=("qemu-system-x86_64", "bochs"), nested=None, device=True, module="kvm_intel"):
        (tmp_path / "bin").mkdir()
        for program in programs:
            (tmp_path / "bin" / program).write_text("#!/bin/sh\n")
            (tmp_path / "bin" / program).chmod(0o755)
        if nested is not None:
            parameters = tmp_path / "sys/module" / module / "parameters"
            parameters.mkdir(parents=True)
            (parameters / "nested").write_text(nested + "\n")
        if device:
            (tmp_path / "dev").mkdir()
            (tmp_path / "dev/kvm").write_bytes(b"")
        return Host(str(tmp_path), str(tmp_path / "bin"))

    return make


@pytest.mark.parametrize("module", ["kvm_intel", "kvm_amd"])
@pytest.mark.parametrize("nested", ["Y", "1"])
def test_kvm_where_it_nests(host, nested, module):
    chosen = choose(options(), host(nested=nested, module=module))
    assert (chosen.name, chosen.kvm) == ("qemu", True)
    assert chosen.describe() == "QEMU with KVM" and "nest" in chosen.why


@pytest.mark.parametrize("nested, device, why", [
    (None, True, "nested"), ("N", True, "kvm_intel is N"), ("0", True, "kvm_intel is 0"),
    ("Y", False, "No such file"), ("", True, "nested")])
def test_no_kvm_where_it_does_not(host, nested, device, why):
    machine = host(nested=nested, device=device)
    chosen = choose(options(), machine)
    assert (chosen.name, chosen.kvm) == ("qemu", False)
    assert why in chosen.why
    with pytest.raises(UserError, match="--kvm: "):
        choose(options(kvm=True), machine)


def test_a_device_that_cannot_be_opened_is_no_kvm(host, tmp_path):
    machine = host(nested="Y", device=False)
    (tmp_path / "dev/kvm").mkdir(parents=True)      # root opens every file, but no directory to write
    chosen = choose(options(), machine)
    assert not chosen.kvm and "/dev/kvm: Is a directory" == chosen.why


def test_the_device_is_left_alone_where_it_is_of_no_use(host, monkeypatch):
    machine = host(nested="N")
    monkeypatch.setattr(target.os, "open", lambda *_: pytest.fail("opened"))
    assert not choose(options(), machine).kvm
    assert not choose(options(kvm=False), machine).kvm


@pytest.mark.parametrize("given", [{"kvm": False}, {"icount": True}])
def test_kvm_is_not_used_against_orders(host, given):
    assert choose(options(**given), host(nested="Y")) == Target(
        "qemu", False, f"--{'no-kvm' if 'kvm' in given else 'icount'} was given")


def test_kvm_as_ordered(host):
    machine = host(nested="Y")
    assert choose(options(kvm=True), machine) == Target("qemu", True, "--kvm was given")
    assert choose(options(target="qemu"), machine).kvm


def test_bochs_without_qemu(host):
    machine = host(programs=["bochs"], nested="Y")
    assert choose(options(), machine) == Target("bochs", why="QEMU is not installed")
    for given in ({"target": "qemu"}, {"kvm": True}, {"firmware": "uefi"}):
        with pytest.raises(UserError, match="QEMU is not installed"):
            choose(options(**given), machine)


def test_bochs_for_what_only_bochs_has(host, monkeypatch):
    monkeypatch.setattr(target.bochs, "models", lambda: ["zambezi"])
    machine = host(nested="Y")
    assert choose(options(cpu="zambezi"), machine).name == "bochs"
    assert choose(options(cpu="EPYC"), machine).name == "qemu"
    assert choose(options(bochs_log="x"), machine).name == "bochs"
    assert choose(options(target="bochs"), machine) == Target("bochs")
    with pytest.raises(UserError, match="--bochs-log is for Bochs, --target qemu for QEMU"):
        choose(options(bochs_log="x", target="qemu"), machine)
    with pytest.raises(UserError, match="--bochs-log is for Bochs, --icount for QEMU"):
        choose(options(bochs_log="x", icount=True), machine)


@pytest.mark.parametrize("given, name", [
    ({"firmware": "uefi"}, "--firmware uefi"), ({"net": object()}, "--net"), ({"machine": "q35"}, "--machine q35"),
    ({"icount": True}, "--icount"), ({"kvm": True}, "--kvm"), ({"screenshot": "x"}, "--screenshot"),
    ({"qemu_log": "x"}, "--qemu-log")])
def test_qemu_for_what_only_qemu_has(host, given, name):
    machine = host(nested="Y")
    assert choose(options(cpu="zambezi", **given), machine).name == "qemu"
    with pytest.raises(UserError, match=f"{name} is for QEMU"):
        choose(options(target="bochs", **given), machine)


def test_what_both_have_is_refused_by_neither(host):
    machine = host()
    for given in ({"kvm": False}, {"boot": "stick"}, {"boot": "kernel"}, {"machine": "pc"},
                  {"firmware": "bios"}):
        assert choose(options(target="bochs", **given), machine).name == "bochs"


def test_this_machine_has_a_root():
    assert Host().has("sh") and not Host().has("no-such-program-" + str(os.getpid()))
