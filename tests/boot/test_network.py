"""Over the network, by the recipes of docs/network.md; QEMU's own server hands out the files."""

import os
import subprocess

import pytest

from neap import TOP, guest_program, vm

pytestmark = pytest.mark.target("qemu")
ENDED = "ended through its debug-exit port"
MANIFEST = vm("hello", "hello.elf", cmdline="hello.elf over the wire")
MANY = 9    # modules, one more than iPXE's multiboot loader passes on
ONE_LINE = "one=line two"


@pytest.fixture(name="server")
def make_server(tmp_path):
    """A function that lays out a directory with modules beside the manifest and returns it."""
    def lay_out(extra=0, manifest=MANIFEST):
        (tmp_path / "lab.txt").write_text(manifest, encoding="ascii")
        command = [os.path.join(TOP, "scripts", "netboot"), tmp_path / "tftp",
                   f"--manifest={tmp_path}/lab.txt", f"--cmdline=linger=0 {ONE_LINE}",
                   f"--module={guest_program('hello.elf')}"]
        for i in range(extra):
            (tmp_path / f"extra+{i}").write_bytes(b"x" * (4096 * i + 1))
            command.append(f"--module={tmp_path}/extra+{i}")
        subprocess.run(command, check=True)
        return tmp_path / "tftp"
    return lay_out


def expect_hello(run, server, loader):
    """Everything that the directory holds has arrived, whole."""
    run.expect_status(1)
    run.find(rf"^neap: loader: {loader}.*, command line: linger=0 {ONE_LINE}$")
    for name in ("manifest", "hello.elf"):
        size = (server / name).stat().st_size
        run.find(rf"^neap: module: {name}, {size} bytes at 0x[0-9a-f]+000$")
    run.find('^command line: "hello.elf over the wire"$')
    assert run.end_of("hello") == (ENDED, 1)
    assert run.errors() == []


@pytest.mark.slow(15)
def test_bios_ipxe(run_neap, server):
    """iPXE loads Neap by the first multiboot, and tells of RAM only: ACPI is found by search."""
    directory = server(extra=6)
    run = run_neap(net=f"{directory},boot.ipxe", smp=2)
    expect_hello(run, directory, "iPXE ")
    assert len(run.lines("^neap: module: ")) == MANY - 1
    for i in range(6):
        run.find(rf"^neap: module: extra\+{i}, {4096 * i + 1} bytes at 0x[0-9a-f]+000$")
    run.find("^neap: smp: 2 of 2 processors run$")


@pytest.mark.slow(15)
def test_bios_ipxe_drops_modules(run_neap, server):
    """What iPXE does not pass on is missing for the machine that needs it, and for no other."""
    late = vm("late", "extra+6")
    directory = server(extra=7, manifest=MANIFEST + late)
    run = run_neap(net=f"{directory},boot.ipxe")
    assert len(run.lines("^neap: module: ")) == MANY - 1
    assert run.lines(r"^neap: error: .*extra\+6")
    assert run.end_of("hello") == (ENDED, 1)


def test_bios_grub(run_neap, server):
    """GRUB passes on as many as Neap takes."""
    directory = server(extra=7)
    subprocess.run(["grub-mknetdir", f"--net-directory={directory}", "--subdir=grub",
                    "-d", "/usr/lib/grub/i386-pc", "--fonts=", "--locales=", "--themes="],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    names = ["manifest", "hello.elf"] + [f"extra+{i}" for i in range(7)]
    config = [f"multiboot2 /neap.elf linger=0 {ONE_LINE}"]
    config += [f"module2 --nounzip /{name} {name}" for name in names]
    (directory / "grub" / "grub.cfg").write_text("\n".join(config + ["boot"]) + "\n")
    run = run_neap(net=f"{directory},grub/i386-pc/core.0")
    expect_hello(run, directory, "GRUB ")
    assert len(run.lines("^neap: module: ")) == MANY


@pytest.mark.slow(30)
def test_uefi(run_neap, server):
    """The firmware loads neap.efi, which fetches the rest; nothing but manifest and modules."""
    directory = server()
    run = run_neap(firmware="uefi", net=f"{directory},neap.efi")
    expect_hello(run, directory, "neap.efi")
    run.find("^neap.efi: tftp://10.0.2.2/hello.elf: ")


@pytest.mark.slow(20)
def test_uefi_ipxe(run_neap, server):
    directory = server()
    run = run_neap(firmware="uefi", net=f"{directory},boot.ipxe")
    expect_hello(run, directory, "neap.efi")
    run.find("^neap.efi: /hello.elf: ")
