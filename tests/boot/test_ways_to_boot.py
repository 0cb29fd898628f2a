"""Neap, started in every way that there is: in QEMU, with guests on AMD's SVM, and by GRUB in Bochs."""

import zlib

import pytest

from neap import OFF, PROMPT, QUICK_LINUX, stock_modules, vm

pytestmark = pytest.mark.target("qemu")
SERIAL = "ended through its debug-exit port"
GRUB = r"GRUB 2\.\d\d\S*"

WAYS = {
    "cdrom": (GRUB, {"boot": "iso"}),
    "cdrom-q35": (GRUB, {"machine": "q35"}),
    "stick": (GRUB, {"boot": "stick"}),
    "kernel": ("qemu", {"boot": "kernel"}),
    "uefi-cdrom": (GRUB, {"firmware": "uefi"}),
    "uefi-cdrom-neap": ("neap.efi", {"firmware": "uefi", "efi_loader": "neap"}),
    "uefi-stick": ("neap.efi", {"firmware": "uefi", "boot": "stick", "machine": "q35"}),
    "uefi-stick-grub": (GRUB, {"firmware": "uefi", "boot": "stick", "efi_loader": "grub"}),
}


def pixels(path):
    """The bytes of a PNG's lines, as scripts/run writes them."""
    png = path.read_bytes()
    at = png.index(b"IDAT")
    return zlib.decompress(png[at + 4:at + 4 + int.from_bytes(png[at - 4:at], "big")])


@pytest.mark.slow(8)
@pytest.mark.parametrize("way", WAYS)
def test_way(run_guests, tmp_path, way):
    loader, machine = WAYS[way]
    run = run_guests(vm("hello", "hello.elf", cmdline="good"), smp=2,
                     cmdline="two=3", screenshot=tmp_path / "screen.png", **machine)
    run.expect_status(1)
    run.find(rf"^neap: loader: {loader}, command line: two=3 linger=0$")
    run.find("^neap: smp: 2 of 2 processors run$")
    assert run.end_of("hello") == (SERIAL, 1)
    assert 'command line: "good"argv' in run.guest_text()
    # Neap's log is on the screen, a text one or GRUB's or the firmware's frame buffer.
    seen = pixels(tmp_path / "screen.png")
    assert 1000 < len(seen) - seen.count(b"\0") < len(seen) // 2


@pytest.mark.slow(6)
@pytest.mark.target("bochs")
@pytest.mark.parametrize("way", ["cdrom", "stick"])
def test_way_in_bochs(run_guests, way):
    """Most other tests go without a loader there."""
    loader, machine = WAYS[way]
    run = run_guests(vm("hello", "hello.elf", cmdline="good"), cmdline="two=3", **machine)
    run.expect_status(1)
    run.find(rf"^neap: loader: {loader}, command line: two=3 linger=0$")
    assert run.end_of("hello") == (SERIAL, 1)


@pytest.mark.slow(25)
@pytest.mark.parametrize("cpus", [1, 4])
@pytest.mark.parametrize("way", ["cdrom", "uefi-cdrom", "uefi-stick"])
def test_linux(run_guests, way, cpus):
    """On as many processors, which really run at the same time."""
    loader, machine = WAYS[way]
    run = run_guests(
        vm("linux", "vmlinuz", memory="256M", cpus=cpus, initrd="initrd.gz",
           cmdline=f"{QUICK_LINUX} quiet"), modules=stock_modules(), smp=cpus,
        timeout=600.0, send=[(PROMPT, "echo cpus $(nproc); poweroff -f\n")], **machine)
    run.expect_status(OFF)
    run.find(f"^neap: loader: {loader}")
    run.find(f"^neap: smp: {cpus} of {cpus} processors? run$")
    run.find(f"^cpus {cpus}$")
    assert run.lines("BUG:|^(?!neap: ).*rcu:.*stall|soft lockup|WARNING: CPU") == []
    assert run.end_of("linux") == ("powered off", 0)
