"""scripts/netboot: what is in the directory, and what is refused."""

import os
import stat
import subprocess

import pytest

SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "netboot")


@pytest.fixture(name="sources")
def make_sources(tmp_path):
    """A directory with an image for each firmware, a manifest and a module."""
    directory = tmp_path / "sources"
    directory.mkdir()
    for name in ("elf", "efi", "lab.txt", "bzImage"):
        (directory / name).write_bytes(name.encode() * 3)
    return directory


def netboot(sources, directory, *options, manifest=True):
    """Runs the script; returns its status and what it said."""
    command = [SCRIPT, directory, f"--elf={sources}/elf", f"--efi={sources}/efi"]
    command += [f"--manifest={sources}/lab.txt"] if manifest else []
    done = subprocess.run([*command, *options], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return done.returncode, done.stdout


def test_layout(sources, tmp_path):
    out = tmp_path / "srv" / "tftp"
    assert netboot(sources, out, f"--module={sources}/bzImage=vmlinuz", "--cmdline=serial=io:0x2f8") == (0, "")
    assert sorted(os.listdir(out)) == ["boot.ipxe", "cmdline", "manifest", "neap.efi", "neap.elf", "vmlinuz"]
    assert (out / "vmlinuz").read_bytes() == b"bzImage" * 3
    assert (out / "manifest").read_bytes() == b"lab.txt" * 3
    assert (out / "neap.elf").read_bytes() == b"elf" * 3
    assert (out / "neap.efi").read_bytes() == b"efi" * 3
    assert (out / "cmdline").read_text() == "serial=io:0x2f8\n"
    for name in os.listdir(out):
        assert stat.S_IMODE((out / name).stat().st_mode) == 0o644
    script = (out / "boot.ipxe").read_text().split("\n")
    assert script[0] == "#!ipxe"
    assert script[2:5] == ["kernel ${neap} serial=io:0x2f8 || goto failed", "initrd manifest || goto failed",
                           "initrd vmlinuz || goto failed"]


def test_replaces_its_own_files_only(sources, tmp_path):
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "manifest").write_text("old")
    assert netboot(sources, tmp_path)[0] == 0
    assert (tmp_path / "kept").read_text() == "kept"
    assert (tmp_path / "manifest").read_text() == "lab.txt" * 3
    assert (tmp_path / "boot.ipxe").read_text().split("\n")[2] == "kernel ${neap} || goto failed"


@pytest.mark.parametrize("option, why", [
    ("--module={}/bzImage=neap.elf", "cannot be named neap.elf"),
    ("--module={}/bzImage=cmdline", "cannot be named cmdline"),
    ("--module={}/bzImage=manifest", "two modules are named manifest"),
    ("--module={}/bzImage=a b", "module name"),
    ("--module={}/nothing", "no such file"),
    ("--efi={}/nothing", "no such file"),
    ("--cmdline=a || b", "iPXE"),
    ("--cmdline=${{x}}", "iPXE"),
])
def test_refused(sources, tmp_path, option, why):
    out = tmp_path / "out"
    status, said = netboot(sources, out, option.format(sources))
    assert status == 1
    assert said.startswith("netboot: ") and why in said
    assert not out.exists()


def test_needs_a_manifest(sources, tmp_path):
    assert netboot(sources, tmp_path / "out", manifest=False)[0] == 2


def test_says_when_there_are_too_many_for_ipxe(sources, tmp_path):
    modules = [f"--module={sources}/bzImage=m{i}" for i in range(8)]
    assert netboot(sources, tmp_path / "a", *modules[:7]) == (0, "")
    status, said = netboot(sources, tmp_path / "b", *modules)
    assert status == 0 and "8 modules" in said
