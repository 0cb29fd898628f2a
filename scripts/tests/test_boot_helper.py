"""tests/boot/neap.py without an emulator: logs of their own, options for scripts/run."""

import os
import subprocess
import sys

import pytest

BOOT_TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "boot")
CLAIM = "import sys, neap; print(neap._log_path(sys.argv[1]), flush=True); sys.stdin.read()"

sys.path.insert(0, BOOT_TESTS)

import neap  # noqa: E402


def claim(directory):
    """Another process that runs the same test; returns it and its log's name."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIM, directory], cwd=BOOT_TESTS, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTEST_CURRENT_TEST": "x.py::test_it[a b] (call)",
                                     "PYTHONDONTWRITEBYTECODE": "1"})
    return process, os.path.basename(process.stdout.readline().strip())


def end(process):
    process.communicate("", timeout=10)


def test_no_two_runs_share_a_log(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_CURRENT_TEST", "x.py::test_it[a b] (call)")
    assert neap._log_path(str(tmp_path)) == str(tmp_path / "test_it_a_b.log")
    assert neap._log_path(str(tmp_path)) == str(tmp_path / "test_it_a_b-2.log")
    first, name = claim(tmp_path)
    assert name == "test_it_a_b-3.log"
    second, name = claim(tmp_path)
    assert name == "test_it_a_b-4.log"
    end(first)
    third, name = claim(tmp_path)
    assert name == "test_it_a_b-3.log"
    end(second)
    end(third)


def test_options_for_the_machine():
    options = neap._machine_options("qemu", "/l/a.log", cpu=None, smp=2, icount=True, kvm=False,
                                    efi_loader="grub")
    assert options == ["--target=qemu", "--qemu-log=/l/a.qemu", "--no-kvm", "--smp=2", "--icount",
                       "--efi-loader=grub"]
    assert neap._machine_options("bochs", "/l/a.log") == ["--target=bochs", "--bochs-log=/l/a.bochs"]


def test_a_run_that_boots_nothing_fails_the_test(tmp_path, monkeypatch):
    monkeypatch.setattr(neap, "_log_path", lambda: str(tmp_path / "x.log"))
    with pytest.raises(AssertionError, match="nothing was booted: .*no-such.elf: no such file"):
        neap.run_neap(elf=str(tmp_path / "no-such.elf"))
