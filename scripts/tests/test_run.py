"""scripts/run, with a small kernel in Neap's place that says and does what it is told to."""

import os
import re
import signal
import subprocess
import time

import pytest

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RUN = os.path.join(SCRIPTS, "run")


@pytest.fixture(params=["bochs", "qemu"])
def target(request):
    """The emulator to run on, as options."""
    return ["--target", request.param] + (["--no-kvm"] if request.param == "qemu" else [])


@pytest.fixture
def run(payload, tmp_path, target):
    """Runs scripts/run on an image with the payload; returns the finished process."""

    def call(*options, modules=(), cmdline=""):
        iso = tmp_path / "boot.iso"
        command = [os.path.join(SCRIPTS, "image"), iso, "--elf", payload, "--cmdline", cmdline]
        for module in modules:
            command += ["--module", module]
        subprocess.run(command, check=True)
        return subprocess.run([RUN, *target, "--iso", iso, "--timeout", "300", *options],
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
    assert re.search(rb"soft power off|switched itself off", done.stderr)


def test_triple_fault_ends_the_run(run):
    done = run("--send", "ready> =T")
    assert done.returncode == 1
    assert b"triple fault" in done.stderr.lower() or b"3rd" in done.stderr


@pytest.mark.parametrize("how", ["P", "Q"])
def test_panic_is_told_whether_or_not_it_ends(run, how):
    done = run("--send", f"ready> ={how}")
    assert done.returncode == 125
    assert b"neap: error: panic: as told\r\nneap: error: and why\r\n" in done.stdout


def test_timeout(run):
    start = time.monotonic()
    assert run("--timeout", "6").returncode == 124
    assert time.monotonic() - start < 100


def test_until_waits_for_the_sends(run):
    done = run("--send", "ready> =ab", "--send", r"ab=\x43D", "--until", "a|D$")
    assert done.returncode == 0
    assert done.stdout.endswith(b"ready> abCD")


def test_no_input_is_lost(run):
    done = run("--send", "ready> =" + 500 * "a" + "n", "--until", r"received \d+")
    assert re.search(rb"received (\d+)", done.stdout)[1] == b"501"


def test_every_byte_passes_both_ways(run):
    told = [c for c in range(256) if not chr(c).isdigit() and chr(c) not in "xyzPQTn"]
    text = "".join(f"\\x{c:02x}" for c in told)
    done = run("--send", "ready> =" + text + "n", "--until", f"received {len(told) + 1}")
    assert done.returncode == 0
    echoed = bytes(told).replace(b"\n", b"\r\n")
    assert b"ready> " + echoed in done.stdout


def test_serial_log_holds_what_stdout_does(run, tmp_path):
    log = tmp_path / "serial.log"
    done = run("--send", "ready> =x", "--serial-log", log)
    assert log.read_bytes() == done.stdout


def call(*options, timeout=300):
    return subprocess.run([RUN, *options, "--timeout", str(timeout)], stdin=subprocess.DEVNULL,
                          capture_output=True, check=False)


@pytest.mark.parametrize("options", [
    ["--target=bochs"], ["--target=qemu"], ["--target=qemu", "--firmware=uefi"]])
def test_grub_failure_ends_the_run(tmp_path, options):
    broken = tmp_path / "broken.elf"
    broken.write_bytes(b"this is no kernel\n")
    done = call(*options, "--elf", broken, "--no-manifest")
    assert done.returncode == 1
    assert b"GRUB could not start" in done.stderr


@pytest.mark.parametrize("options", [
    ["--boot=iso", "--machine=q35", "--smp=2"],
    ["--boot=iso", "--firmware=uefi"],
    ["--boot=stick", "--efi-loader=grub"],
    ["--boot=stick", "--efi-loader=grub", "--firmware=uefi", "--machine=q35"],
    ["--boot=iso", "--icount"],
    ["--boot=stick", "--efi-loader=grub", "--target=bochs"],
])
def test_ways_to_boot(payload, tmp_path, options):
    module = tmp_path / "m"
    module.write_bytes(b"x" * 1234)
    done = call("--target=qemu", "--no-manifest", "--elf", payload, "--module", f"{module}=first",
                "--cmdline", "a b", "--send", "ready> =3x", *options)
    assert done.returncode == 3, done.stderr
    assert b"cmdline: a b\r\nmodule: first 1234\r\nready> " in done.stdout


@pytest.mark.parametrize("firmware", ["bios", "uefi"])
@pytest.mark.parametrize("target", ["bochs", "qemu"])
def test_an_iso_is_a_disk_as_well(payload, tmp_path, target, firmware):
    if (target, firmware) == ("bochs", "uefi"):
        pytest.skip("Bochs has no UEFI")
    iso = tmp_path / "boot.iso"
    subprocess.run([os.path.join(SCRIPTS, "image"), iso, "--elf", payload], check=True)
    done = call("--target", target, "--firmware", firmware, "--iso", iso, "--boot=stick",
                "--send", "ready> =4x")
    assert done.returncode == 4, done.stderr


def test_icount_repeats_exactly(payload):
    """Real time passes, and not the same twice; the log's emulator saw none of it."""
    outputs = [call("--icount", "--no-manifest", "--elf", payload, "--send", "ready> =5x").stdout
               for _ in range(2)]
    assert outputs[0] == outputs[1] and b"exit status 5" in outputs[0]


def test_boot_from_the_network(payload, tmp_path):
    made = subprocess.run(["grub-mknetdir", f"--net-directory={tmp_path}", "-d",
                           "/usr/lib/grub/i386-pc"], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr
    (tmp_path / "boot/payload.elf").write_bytes(payload.read_bytes())
    (tmp_path / "boot/grub/grub.cfg").write_text("multiboot2 /boot/payload.elf net\nboot\n")
    done = call("--net", tmp_path, "--send", "ready> =6x")
    assert done.returncode == 6, done.stderr
    assert b"cmdline: net\r\n" in done.stdout


@pytest.mark.parametrize("how, status", [("9x", 9), ("9P", 125), ("z", 1)])
def test_screenshot(payload, tmp_path, how, status):
    path = tmp_path / "screen.png"
    done = call("--screenshot", path, "--no-manifest", "--elf", payload, "--send", f"ready> ={how}")
    assert done.returncode == status
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_registers_are_logged_at_a_reset(payload, tmp_path):
    log = tmp_path / "qemu.log"
    done = call("--qemu-log", log, "--no-manifest", "--elf", payload, "--send", "ready> =T")
    assert b"triple fault" in done.stderr
    assert "the registers at the reset:" in log.read_text()
    assert re.search("EIP=|RIP=", log.read_text().partition("the registers at")[2])


def emulators_of(pid):
    """The processes that `pid` has started."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] not in ("Z", "X")
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_emulator_dies_with_it(payload, target, number):
    with subprocess.Popen([RUN, *target, "--no-manifest", "--elf", payload],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        told = b""
        while b"ready> " not in told:
            told += process.stdout.read1() or pytest.fail("it ended")
        emulators = emulators_of(process.pid)
        assert emulators and all(is_alive(pid) for pid in emulators)
        process.send_signal(number)
        process.wait(60)
    deadline = time.monotonic() + 60
    while any(is_alive(pid) for pid in emulators):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("options, complaint", [
    (["--iso", "nowhere.iso"], b"nowhere.iso"),
    (["--elf", "nowhere.elf", "--manifest", RUN], b"make builds it"),
    (["--boot", "stick", "--efi", "nowhere.efi"], b"nowhere.efi"),
    (["--bare", "--manifest", RUN], b"--bare"),
    (["--bare", "--efi-loader", "neap"], b"neap.efi"),
    (["--manifest", RUN, "--no-manifest"], b"--no-manifest"),
    (["--send", "no equals sign"], b"REGEX=TEXT"),
    (["--until", "("], b"--until"),
    (["--target", "bochs", "--memory", "2049", "--iso", RUN], b"2048"),
    (["--smp", "0"], b"--smp 0: at least 1"),
    (["--memory", "-1"], b"--memory -1: at least 1"),
    (["--target", "bochs", "--cpu", "8080", "--iso", RUN], b"8080"),
    (["--target", "qemu", "--cpu", "8080", "--iso", RUN], b"8080"),
    (["--target", "bochs", "--firmware", "uefi"], b"--firmware uefi"),
    (["--target", "bochs", "--boot", "kernel", "--bare"], b"--boot kernel"),
    (["--target", "bochs", "--boot", "kernel", "--elf", RUN], b"no 64-bit ELF"),
    (["--target", "bochs", "--screenshot", "x.png"], b"--screenshot"),
    (["--target", "bochs", "--net", "."], b"--net"),
    (["--target", "bochs", "--kvm"], b"--kvm"),
    (["--target", "qemu", "--bochs-log", "x"], b"--bochs-log"),
    (["--boot", "kernel", "--firmware", "uefi"], b"BIOS"),
    (["--boot", "kernel", "--iso", RUN], b"--boot kernel"),
    (["--net", ".", "--bare"], b"--net"),
    (["--net", "."], b"core.0"),
    (["--icount", "--kvm"], b"--icount"),
])
def test_what_cannot_be_run_is_refused(options, complaint):
    done = call(*options)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_modules_are_compared_with_the_manifest(tmp_path):
    """Before anything is booted; here nothing is: that is no hypervisor."""
    (tmp_path / "m.txt").write_text("[vm a]\nkernel = gone\n")
    done = call("--target", "bochs", "--boot", "kernel", "--elf", RUN, "--manifest", tmp_path / "m.txt",
                "--module", f"{RUN}=idle")
    assert b": [vm a] kernel = `gone`: no module of that name was given\n" in done.stderr
    assert b"run: warning: module idle: no VM of " in done.stderr
    done = call("--target", "bochs", "--boot", "kernel", "--elf", RUN)
    assert done.returncode == 2 and b"warning" not in done.stderr
