"""UEFI: where neap.efi finds manifest, modules and command line, and what it says; GRUB for UEFI.

What neap.efi says is on the firmware's console, which OVMF also sends to the serial port.
"""

import os
import re
import shutil
import struct
import zlib

import pytest

from neap import BUILD, NOT_STARTED, OFF, guest_program, vm
from neaplib import NEAP_EFI

ENDED = "ended through its debug-exit port"
HELLO = vm("hello", "hello.elf", cmdline="hello.elf from a stick")
UEFI = {"firmware": "uefi"}
pytestmark = pytest.mark.target("qemu")
DONE = "^neap: no virtual machine is left"


def said(run):
    """The lines of neap.efi's, without the head of the line, sizes left out."""
    lines = [line.removeprefix("neap.efi: ") for line in run.lines("^neap.efi: ")]
    return [re.sub(r"\d+ bytes$", "N bytes", line) for line in lines]


@pytest.mark.parametrize("machine, memory", [("q35", 512), ("pc", 4096), ("q35", 6144)])
def test_stick(run_guests, machine, memory):
    run = run_guests(HELLO, boot="stick", machine=machine, memory=memory, smp=4, cmdline="a b=c",
                     until=DONE, **UEFI)
    run.expect_status(OFF)
    assert said(run)[1:] == [
        said(run)[1], "/boot/cmdline: N bytes", "command line: a b=c linger=0",
        "/boot/modules/manifest: N bytes", "/boot/modules/hello.elf: N bytes"]
    assert re.fullmatch(r"hypervisor: \d+ KiB at 0x200000", said(run)[1])
    run.find("^neap: loader: neap.efi, command line: a b=c linger=0$")
    run.find("^neap: smp: 4 of 4 processors run$")
    assert run.end_of("hello") == (ENDED, 1)
    assert run.guest_text().count('command line: "hello.elf from a stick"') == 1
    free = int(run.find(r"^neap: memory: (\d+) MiB free$")[1])
    assert memory - 64 < free < memory


def test_modules_missing(run_guests):
    """A file that is not there costs the machine that names it, and no other."""
    run = run_guests(vm("lost", "nowhere.elf"), vm("hello", "hello.elf"), boot="stick", until=DONE,
                     modules={"nowhere.elf": b""}, **UEFI)
    assert run.lines("^neap.efi: /boot/modules/nowhere.elf: 0 bytes$")
    assert run.end_of("hello") == (ENDED, 1)
    run = run_guests(vm("lost", "vmlinuz"), vm("hello", "hello.elf"), boot="stick", until=DONE,
                     **UEFI)
    assert "error: /boot/modules/vmlinuz: no such file, and the manifest names it" in said(run)
    assert run.lines("^neap: error: .*vmlinuz")
    assert run.end_of("hello") == (ENDED, 1)


def test_no_manifest(run_neap):
    run = run_neap(boot="stick", **UEFI).expect_status(NOT_STARTED)
    assert said(run)[-3:] == ["error: there is no manifest; it was looked for as",
                              "error:   /boot/modules/manifest", "error:   /manifest"]
    run.find("^neap: error: manifest: there is no boot module")


def colours(png):
    """The colours in a picture as scripts/run writes it: 8-bit RGB, lines not filtered."""
    width, height = struct.unpack(">II", png[16:24])
    data, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        data += png[at + 8:at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    lines, step = zlib.decompress(data), 3 * width + 1
    assert len(lines) == step * height and not any(lines[::step])
    return {lines[i:i + 3] for y in range(height)
            for i in range(y * step + 1, (y + 1) * step, 3)}


def test_screen(run_guests, tmp_path):
    """The log is on the frame buffer that the firmware has set up, in Neap's grey, and nothing else."""
    picture = tmp_path / "screen.png"
    run = run_guests(HELLO, boot="stick", screenshot=picture, until=DONE, **UEFI)
    run.expect_status(OFF)
    assert colours(picture.read_bytes()) == {b"\0\0\0", b"\xc8\xc8\xc8"}


@pytest.fixture(name="server")
def make_server(tmp_path):
    """A directory to serve: lab/neap.efi, with manifest and module beside it."""
    directory = tmp_path / "lab"
    directory.mkdir()
    shutil.copyfile(NEAP_EFI, directory / "neap.efi")
    (directory / "manifest").write_text(HELLO, encoding="ascii")
    shutil.copyfile(guest_program("hello.elf"), directory / "hello.elf")
    return tmp_path


@pytest.mark.slow(30)
def test_network(run_neap, server):
    """From the boot file's server and directory, the command line, too."""
    (server / "lab" / "cmdline").write_text("from-the-server\n", encoding="ascii")
    run = run_neap(net=f"{server},lab/neap.efi", until=DONE, **UEFI).expect_status(OFF)
    root = "tftp://10.0.2.2/lab"
    assert said(run)[-4:] == [f"{root}/cmdline: N bytes", "command line: from-the-server",
                              f"{root}/manifest: N bytes", f"{root}/hello.elf: N bytes"]
    run.find("^neap: loader: neap.efi, command line: from-the-server$")
    assert run.end_of("hello") == (ENDED, 1)


@pytest.mark.slow(30)
def test_network_boot_modules(run_neap, server):
    """The tree of a stick on a server."""
    modules = server / "lab" / "boot" / "modules"
    modules.mkdir(parents=True)
    os.rename(server / "lab" / "manifest", modules / "manifest")
    os.rename(server / "lab" / "hello.elf", modules / "hello.elf")
    run = run_neap(net=f"{server},lab/neap.efi", until=DONE, **UEFI).expect_status(OFF)
    root = "tftp://10.0.2.2/lab/boot/modules"
    assert said(run)[-2:] == [f"{root}/manifest: N bytes", f"{root}/hello.elf: N bytes"]
    assert run.end_of("hello") == (ENDED, 1)


def test_size():
    """One file is everything, and small enough for any EFI system partition or TFTP server."""
    stripped = os.path.getsize(os.path.join(BUILD, "efi", "neap.stripped.elf"))
    assert stripped < os.path.getsize(NEAP_EFI) < stripped + 64 * 1024


def test_grub(run_guests, tmp_path):
    """GRUB for UEFI goes through multiboot2: it sets a graphics mode, and ends the boot services."""
    picture = tmp_path / "screen.png"
    run = run_guests(HELLO, boot="iso", efi_loader="grub", memory=6144, screenshot=picture,
                     until=DONE, **UEFI)
    run.expect_status(OFF)
    assert not run.lines("^neap.efi: ")
    run.find("^neap: loader: GRUB ")
    run.find("^neap: memory: 0x000100000000 - 0x000[0-9a-f]+ RAM$")
    run.find("^neap: acpi: revision 2 ")
    assert run.end_of("hello") == (ENDED, 1)
    assert colours(picture.read_bytes()) == {b"\0\0\0", b"\xc8\xc8\xc8"}
