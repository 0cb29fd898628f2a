"""scripts/run, with a small kernel in Neap's place that says and does what it is told to."""

import os
import re
import subprocess
import time

import pytest

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN = os.path.join(SCRIPTS, "run")


@pytest.fixture
def run(payload, tmp_path):
    """Runs scripts/run on an image with the payload; returns the finished process."""

    def call(*options, modules=(), cmdline=""):
        iso = tmp_path / "boot.iso"
        command = [os.path.join(SCRIPTS, "image"), iso, "--elf", payload, "--cmdline", cmdline]
        for module in modules:
            command += ["--module", module]
        subprocess.run(command, check=True)
        return subprocess.run([RUN, "--iso", iso, "--timeout", "60", *options],
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)

    return call


def test_exit_status_and_boot_information(run, tmp_path):
    module = tmp_path / "some.bin"
    module.write_bytes(b"x" * 1234)
    done = run("--send", "ready> =42x", modules=[f"{module}=first", str(module)],
               cmdline="one two=3")
    assert done.returncode == 42
    assert b"cmdline: one two=3\r\nmodule: first 1234\r\nmodule: some.bin 1234\r\n" in done.stdout


def test_status_counts_though_the_machine_stays_on(run):
    assert run("--send", "ready> =7y").returncode == 7


def test_switched_off_without_a_status(run):
    done = run("--send", "ready> =z")
    assert done.returncode == 1
    assert b"soft power off" in done.stderr


@pytest.mark.parametrize("how", ["P", "Q"])
def test_panic_is_told_whether_or_not_it_ends(run, how):
    done = run("--send", f"ready> ={how}")
    assert done.returncode == 125
    assert b"neap: error: panic: as told\r\nneap: error: and why\r\n" in done.stdout


def test_timeout(run):
    start = time.monotonic()
    assert run("--timeout", "6").returncode == 124
    assert time.monotonic() - start < 20


def test_until_waits_for_the_sends(run):
    done = run("--send", "ready> =ab", "--send", r"ab=\x43D", "--until", "a|D$")
    assert done.returncode == 0
    assert done.stdout.endswith(b"ready> abCD")


def test_no_input_is_lost(run):
    done = run("--send", "ready> =" + 500 * "a" + "n", "--until", r"received \d+")
    assert re.search(rb"received (\d+)", done.stdout)[1] == b"501"


def test_every_byte_passes_both_ways(run):
    told = [c for c in range(256) if not chr(c).isdigit() and chr(c) not in "xyzPQn"]
    text = "".join(f"\\x{c:02x}" for c in told)
    done = run("--send", "ready> =" + text + "n", "--until", f"received {len(told) + 1}")
    assert done.returncode == 0
    echoed = bytes(told).replace(b"\n", b"\r\n")
    assert b"ready> " + echoed in done.stdout


def test_serial_log_holds_what_stdout_does(run, tmp_path):
    log = tmp_path / "serial.log"
    done = run("--send", "ready> =x", "--serial-log", log)
    assert log.read_bytes() == done.stdout


def test_grub_failure_ends_the_run(tmp_path):
    broken = tmp_path / "broken.elf"
    broken.write_bytes(b"this is no kernel\n")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    done = subprocess.run([RUN, "--elf", broken, "--manifest", empty, "--timeout", "60"],
                          stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.returncode == 1
    assert b"GRUB could not start" in done.stderr


@pytest.mark.parametrize("options, complaint", [
    (["--target", "qemu"], b"QEMU"),
    (["--iso", "nowhere.iso"], b"nowhere.iso"),
    (["--elf", "nowhere.elf", "--manifest", RUN], b"make builds it"),
    (["--bare", "--manifest", RUN], b"--bare"),
    (["--send", "no equals sign"], b"REGEX=TEXT"),
    (["--until", "("], b"--until"),
    (["--memory", "2049", "--iso", RUN], b"2048"),
    (["--cpu", "8080", "--iso", RUN], b"8080"),
])
def test_what_cannot_be_run_is_refused(options, complaint):
    done = subprocess.run([RUN, *options], stdin=subprocess.DEVNULL, capture_output=True,
                          check=False)
    assert done.returncode == 2
    assert complaint in done.stderr
