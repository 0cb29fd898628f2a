"""Boot modules with something wrong: one clear line each, and whatever is right runs."""

import pytest

from neap import NOT_STARTED, OFF, QUICK_LINUX, STOCK_INITRD, STOCK_KERNEL, guest_program, vm

# None of it depends on the processor.
pytestmark = pytest.mark.target("qemu")
KEYS = ("cpus, memory, kernel, initrd, cmdline, module, uart, debug_exit, weight, processors, tsc_hz, "
        "reboots, test_hypercalls, hyperv, vp_index, populate, prefetch")
EXPECTED = "expected a Linux bzImage or a multiboot kernel"
GOOD = vm("good", "hello.elf")


def head(path, size):
    """The first bytes of a file: a module that was cut short."""
    with open(path, "rb") as file:
        return file.read(size)


def expect_others_ran(run, *not_started):
    """The machine `good` ran to its end, those named did not start."""
    run.expect_status(NOT_STARTED)
    assert run.end_of("good") == ("ended through its debug-exit port", 1)
    for name in not_started:
        assert not run.has_ended(name)
        assert not run.lines(f"^neap: vm {name}: \\d+ vCPU")
    assert run.log.rstrip("\n").endswith("neap: no virtual machine is left\nneap: exit status 4")


def not_started(name, line, why=""):
    """What is said, after the reason, of a VM whose section begins on that line."""
    return f"vm {name}: not started{why} (its section begins on line {line} of the manifest)"


def test_no_manifest(run_neap):
    run = run_neap(None, {"hello.elf": guest_program("hello.elf")})
    run.expect_status(NOT_STARTED)
    assert run.errors() == ["manifest: there is no boot module named \"manifest\"; expected the "
                            "text file that describes the virtual machines"]
    assert run.log.rstrip("\n").endswith("neap: no virtual machine is left\nneap: exit status 4")


@pytest.mark.parametrize("text, error", [
    ("# nothing\n", "manifest:1: no VM; expected a section [vm NAME] at least"),
    ("\xff\xfe[\0v\0m\0".encode("latin-1"), "manifest:1: the text is in UTF-16; expected UTF-8"),
])
def test_empty_manifest(run_neap, text, error):
    run = run_neap(None, {"manifest": text if isinstance(text, bytes) else text.encode()})
    run.expect_status(NOT_STARTED)
    assert run.errors() == [error]


def test_manifest_errors(run_guests):
    run = run_guests(
        vm("slip", "hello.elf", kernal="hello.elf"), vm("size", "hello.elf", "1000"),
        "[vm lacking]\ncpus = 0\n", GOOD, "[vm good]\nmemory = 1M\n[cpu x]\nmemory\n")
    expect_others_ran(run, "slip", "size", "lacking")
    assert run.errors() == [
        f"manifest:4: [vm slip] unknown key `kernal`; expected one of: {KEYS}",
        "manifest:6: [vm size] memory = `1000`; expected a size from 1M to 1024G in steps of 4K, "
        "such as 512M or 2G",
        "manifest:9: [vm lacking] cpus = `0`; expected a number of CPUs from 1 to 4096",
        "manifest:8: [vm lacking] no `memory`; expected memory = ... in this section",
        "manifest:8: [vm lacking] no `kernel`; expected kernel = ... in this section",
        "manifest:13: [vm good] the VM of line 10 has that name; expected another",
        "manifest:15: unknown kind of section `cpu`; expected [vm NAME]"] + [
        f"vm {name}: not started: its section in the manifest has errors"
        for name in ("slip", "size", "lacking")]


def test_wrong_options(run_guests):
    """On Neap's own command line; they change nothing."""
    run = run_guests(GOOD, cmdline="dirtty=wp vid=perhaps quiet")
    assert run.end_of("good") == ("ended through its debug-exit port", 1)
    run.find("^neap: warning: command line: there is no option `dirtty=wp`$")
    run.find("^neap: warning: command line: `vid=perhaps` is ignored; expected one of: on off$")
    assert len(run.lines("^neap: warning: command line")) == 2
    assert run.errors() == []


def test_missing_modules(run_guests):
    run = run_guests(vm("bad", "nosuch", initrd="neither", module="nor-this words"), GOOD)
    expect_others_ran(run, "bad")
    assert run.errors() == [
        'vm bad: kernel: there is no boot module named "nosuch"',
        'vm bad: initrd: there is no boot module named "neither"',
        'vm bad: module: there is no boot module named "nor-this"', not_started("bad", 1)]


def test_wrong_kernels(run_guests):
    kernels = {
        "text": b"this is no kernel\n",
        "packed": b"\x1f\x8b\x08" + bytes(100),
        "empty": b"abc",
        "cut-linux": head(STOCK_KERNEL, 3_000_000),
        "cut-header": head(STOCK_KERNEL, 0x210),
        "cut-elf": head(guest_program("hello.elf"), 20_000),
        "hello.elf64": guest_program("hello.elf64"),
    }
    run = run_guests(*(vm(f"vm-{name}", name) for name in kernels), GOOD, modules=kernels)
    expect_others_ran(run, *(f"vm-{name}" for name in kernels))
    errors = run.errors()
    for name, told in {
            "text": f"not a kernel, it begins with 74 68 69 73; {EXPECTED}",
            "packed": f"gzip data (unpack it first); {EXPECTED}",
            "empty": f"a file of 3 bytes; {EXPECTED}",
            "cut-linux": "truncated Linux image of 3000000 bytes; expected ",
            "cut-header": "truncated Linux image of 528 bytes; expected at least ",
            "cut-elf": "truncated kernel of 20000 bytes; expected ",
            "hello.elf64": "a 64-bit ELF file; expected a 32-bit one for multiboot"}.items():
        matching = [e for e in errors if e.startswith(f"vm vm-{name}: kernel {name}: {told}")]
        assert len(matching) == 1, (name, errors)
    assert errors[1] == not_started("vm-text", 1)


def test_not_enough_memory(run_guests):
    """More than the machine has, and less than the kernels need."""
    run = run_guests(
        vm("huge", "hello.elf", "4G"), vm("tiny", "hello.elf", "1M"), GOOD,
        vm("linux", "vmlinuz", "32M"), modules={"vmlinuz": STOCK_KERNEL})
    expect_others_ran(run, "huge", "tiny", "linux")
    run.find(r"^neap: error: vm huge: memory: 4096 MiB asked for, \d+ MiB are free$")
    assert not_started("huge", 1, ": not enough memory") in run.errors()
    run.find(r"^neap: error: vm tiny: kernel hello.elf: needs \d+ KiB at 0x100000, where the VM "
             r"has no RAM \(memory = 1024 KiB\)$")
    run.find(r"^neap: error: vm linux: kernel vmlinuz: needs \d+ KiB at 0x1000000; the VM has \d+ "
             r"KiB free from 1 MiB on \(memory = 32768 KiB\)$")


def test_what_does_not_go_together(run_guests):
    """An initrd that is none, and what one kind of kernel does not take."""
    linux = {"vmlinuz": STOCK_KERNEL, "initrd.gz": STOCK_INITRD}
    cpio = b"070701" + b"0" * 7 + b"1" + b"0" * 40 + b"00000fff" + b"0" * 32 + b"00000005" + \
        b"0" * 8 + b"name\0"
    run = run_guests(
        vm("empty", "vmlinuz", "256M", initrd="nil"), vm("cut", "vmlinuz", "256M", initrd="cpio"),
        vm("module", "vmlinuz", "256M", module="nil"), vm("initrd", "hello.elf", initrd="nil"),
        GOOD, modules={**linux, "nil": b"", "cpio": cpio})
    expect_others_ran(run, "empty", "cut", "module", "initrd")
    run.find("^neap: error: vm empty: initrd nil: empty; expected an archive$")
    run.find("^neap: error: vm cut: initrd cpio: a truncated or damaged cpio archive: the member "
             f"at byte 0 is not within the {len(cpio)} bytes$")
    run.find("^neap: error: vm module: kernel vmlinuz: Linux takes no modules, 1 given; ")
    run.find("^neap: error: vm initrd: .*initrd")


@pytest.mark.slow(25)
def test_truncated_initrd(run_guests):
    """Neap does not unpack it: Linux says so and panics; the machine beside it goes on."""
    run = run_guests(
        vm("linux", "vmlinuz", "256M", initrd="initrd.gz", cmdline=QUICK_LINUX),
        vm("echo", "uartecho.elf"),
        modules={"vmlinuz": STOCK_KERNEL, "initrd.gz": head(STOCK_INITRD, 500_000)},
        timeout=600.0, send=[
            ("Kernel panic - not syncing", "\x1c2"), ("uartecho: ready", "alive\n"),
            ("ALIVE", "quit\n")],
        until="^neap: vm echo: .*, status 1")
    run.expect_status(OFF)
    run.find("Initramfs unpacking failed")
    run.find("^ALIVE$")
    assert not run.has_ended("linux")
    assert run.errors() == []
