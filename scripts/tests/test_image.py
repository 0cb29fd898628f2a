"""Boot images: what is in them, and that they are the same bytes each time."""

import os
import struct
import subprocess
import sys
import time

import pytest

from neaplib import NEAP_ELF, UserError, grub, image, stick

PARTITION = stick.PARTITION_START * stick.SECTOR


@pytest.fixture
def contents(tmp_path):
    """Small files in the place of the real ones."""
    names = {"elf": b"\x7fELF", "manifest": b"[vm a]\n", "vmlinuz": b"k" * 9999, "neap.efi": b"MZ"}
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)

    def make(**given):
        return image.Contents(
            elf=str(tmp_path / "elf"), manifest=str(tmp_path / "manifest"), cmdline="one two",
            modules=[image.Module(str(tmp_path / "vmlinuz"), "vmlinuz")], **given)

    return make


def neap_efi(tmp_path):
    return str(tmp_path / "neap.efi")


def read_fat(path, name, offset=0):
    """A file on a FAT volume; None if it is not there."""
    done = subprocess.run(["mtype", "-i", f"{path}@@{offset}", f"::{name}"], capture_output=True,
                          check=False)
    return done.stdout if done.returncode == 0 else None


def read_iso(path, name, to):
    """A file on an ISO; None if it is not there."""
    done = subprocess.run(["xorriso", "-osirrox", "on", "-indev", path, "-extract", name, to],
                          capture_output=True, check=False)
    return to.read_bytes() if done.returncode == 0 else None


def efi_partition(path):
    """Byte offset of an ISO's partition for UEFI."""
    with open(path, "rb") as file:
        table = file.read(512)[446:]
    for at in range(0, 64, 16):
        if table[at + 4] == 0xef:
            return struct.unpack_from("<I", table, at + 8)[0] * 512
    return None


@pytest.mark.parametrize("build", [image.build_iso, image.build_stick])
@pytest.mark.parametrize("loader", ["grub", "neap"])
def test_the_same_files_make_the_same_image(contents, tmp_path, build, loader):
    made = []
    for zone in ("UTC", "Asia/Tokyo"):
        os.environ["TZ"] = zone
        build(contents(efi=neap_efi(tmp_path) if loader == "neap" else None), tmp_path / "out")
        made.append((tmp_path / "out").read_bytes())
        (tmp_path / "out").unlink()
        time.sleep(2.1)             # what FAT's clock can tell apart
    del os.environ["TZ"]
    assert made[0] == made[1]


def test_an_iso_with_grub_for_uefi(contents, tmp_path):
    out = tmp_path / "out"
    image.build_iso(contents(), out)
    assert read_iso(out, "/boot/modules/vmlinuz", tmp_path / "1") == b"k" * 9999
    config = read_iso(out, "/boot/grub/grub.cfg", tmp_path / "2").decode()
    assert "multiboot2 /boot/neap.elf 'one' 'two'\n" in config
    at = efi_partition(out)
    loader = read_fat(out, "/EFI/BOOT/BOOTX64.EFI", at)
    assert loader[:2] == b"MZ" and len(loader) > 100000
    assert read_fat(out, "/boot/modules/vmlinuz", at) is None


def test_an_iso_with_neap_for_uefi(contents, tmp_path):
    out = tmp_path / "out"
    image.build_iso(contents(efi=neap_efi(tmp_path)), out)
    at = efi_partition(out)
    assert read_fat(out, "/EFI/BOOT/BOOTX64.EFI", at) == b"MZ"
    assert read_fat(out, "/boot/cmdline", at) == b"one two\n"
    assert read_fat(out, "/boot/modules/manifest", at) == b"[vm a]\n"
    assert read_fat(out, "/boot/modules/vmlinuz", at) == b"k" * 9999
    assert read_fat(out, "/boot/neap.elf", at) is None


@pytest.mark.parametrize("size", [0, 1, 20 << 20])
def test_the_efi_volume_has_room_for_its_files(contents, tmp_path, size):
    (tmp_path / "vmlinuz").write_bytes(bytes(size))
    out = tmp_path / "out"
    image.build_iso(contents(efi=neap_efi(tmp_path)), out)
    assert len(read_fat(out, "/boot/modules/vmlinuz", efi_partition(out))) == size


def test_a_stick_serves_both_kinds_of_firmware_from_the_same_files(contents, tmp_path):
    out = tmp_path / "out"
    image.build_stick(contents(efi=neap_efi(tmp_path)), out)
    assert read_fat(out, "/EFI/BOOT/BOOTX64.EFI", PARTITION) == b"MZ"
    assert read_fat(out, "/boot/neap.elf", PARTITION) == b"\x7fELF"
    assert read_fat(out, "/boot/cmdline", PARTITION) == b"one two\n"
    assert read_fat(out, "/boot/modules/manifest", PARTITION) == b"[vm a]\n"
    assert b"module2 --nounzip /boot/modules/vmlinuz vmlinuz" in read_fat(
        out, "/boot/grub/grub.cfg", PARTITION)
    head = out.read_bytes()[:512]
    assert head[446] == 0x80 and head[450] == 0x0c and head[510:] == b"\x55\xaa"
    start, sectors = struct.unpack_from("<II", head, 454)
    assert (start + sectors) * 512 == out.stat().st_size


def test_a_missing_efi_loader_is_named(contents, tmp_path):
    for build in (image.build_iso, image.build_stick):
        with pytest.raises(UserError, match="nothing.efi: no such file; make builds it"):
            build(contents(efi=str(tmp_path / "nothing.efi")), tmp_path / "out")


def test_grub_finds_its_volume_by_a_name_that_no_other_has(contents, tmp_path):
    markers = set()
    for number in range(2):
        (tmp_path / "vmlinuz").write_bytes(bytes([number]))
        root = tmp_path / f"root{number}"
        marker = image.lay_out(contents(), root)
        assert (root / marker[1:]).read_bytes() == b""
        markers.add(marker)
    assert len(markers) == 2


def test_a_graphics_mode_with_uefi_only(contents):
    config = grub.config(contents())
    assert 'if [ "$grub_platform" = efi ]; then set gfxpayload=auto; else set gfxpayload=text; fi' \
        in config


def test_dependencies_are_followed_once():
    moddep = "a: b c\nb: c a\nc:\nd: a\n"
    assert grub._with_dependencies(["a", "x"], moddep) == ["a", "b", "c", "x"]


def test_files_for_a_loader_in_the_emulator(contents, tmp_path):
    root = tmp_path / "kernel"
    root.mkdir()
    assert image.lay_out_kernel(contents(), root) == ("neap.elf", ["manifest", "vmlinuz"])
    assert (root / "vmlinuz").read_bytes() == b"k" * 9999
    clash = contents()
    clash.modules[0].name = "neap.elf"
    (tmp_path / "other").mkdir()
    with pytest.raises(UserError, match="neap.elf"):
        image.lay_out_kernel(clash, tmp_path / "other")


def test_linux_without_neap(contents, tmp_path):
    linux = image.Contents(linux=str(tmp_path / "vmlinuz"), initrd=str(tmp_path / "elf"), cmdline="q")
    contents()
    root = tmp_path / "kernel"
    root.mkdir()
    assert image.lay_out_kernel(linux, root) == ("linux", ["initrd"])
    image.lay_out(linux, tmp_path / "tree")
    assert (tmp_path / "tree/boot/linux").read_bytes() == b"k" * 9999
    assert not (tmp_path / "tree/boot/cmdline").exists()


SCRIPT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "image")


def test_modules_that_do_not_fit_the_manifest_are_told_and_the_image_is_made(contents, tmp_path):
    contents()
    (tmp_path / "manifest").write_text("[vm a]\nkernel = vmlinuz\ninitrd = gone.gz\n")
    command = [SCRIPT, tmp_path / "out", "--elf", tmp_path / "elf", "--manifest", "manifest",
               "--module", "vmlinuz"]
    idle = "image: warning: module idle: no VM of manifest names it\n"
    for more, told in (([], ""), (["--module", "elf=idle"], idle)):
        done = subprocess.run([*command, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and (tmp_path / "out").stat().st_size > 0
        assert done.stderr == ("image: warning: manifest:3: [vm a] initrd = `gone.gz`: no module of that "
                               "name was given\n" + told)
        (tmp_path / "out").unlink()


def test_no_warning_about_an_image_that_is_not_made(contents, tmp_path):
    contents()
    done = subprocess.run([SCRIPT, tmp_path / "out", "--elf", tmp_path / "gone", "--manifest",
                           tmp_path / "manifest", "--module", tmp_path / "vmlinuz"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "gone" in done.stderr


def load_segments(data):
    """(flags, offset, physical address, size in memory, bytes in the file) of a 64-bit ELF file's segments."""
    table, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    found = []
    for at in range(table, table + 56 * count, 56):
        kind, flags, offset, _, address, size, memory = struct.unpack_from("<IIQQQQQ", data, at)
        if kind == 1:
            found.append((flags, offset, address, memory, data[offset:offset + size]))
    return found


@pytest.mark.skipif(not os.path.exists(NEAP_ELF), reason="make has not been run")
def test_images_have_the_hypervisor_without_debug_information(contents, tmp_path):
    """And the same otherwise, at the same places in the file: multiboot loaders that read no ELF need that."""
    made = contents()
    made.elf = NEAP_ELF
    image.build_iso(made, tmp_path / "out")
    data = read_iso(tmp_path / "out", "/boot/neap.elf", tmp_path / "neap")
    with open(NEAP_ELF, "rb") as file:
        whole = file.read()
    assert len(data) < len(whole) / 2 and b".debug_info" in whole and b".debug_info" not in data
    assert load_segments(data) == load_segments(whole) and data[24:32] == whole[24:32]
    check = os.path.join(os.path.dirname(SCRIPT), "check-image")
    assert subprocess.run([check, tmp_path / "neap"], check=False).returncode == 0


def test_without_objcopy_the_hypervisor_is_copied_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "elf").write_bytes(b"no ELF file")
    image.copy_hypervisor(tmp_path / "elf", tmp_path / "1")
    assert (tmp_path / "1").read_bytes() == b"no ELF file"
    with open(sys.executable, "rb") as file:
        program = file.read()
    image.copy_hypervisor(sys.executable, tmp_path / "2")
    monkeypatch.setenv("PATH", str(tmp_path))
    image.copy_hypervisor(sys.executable, tmp_path / "3")
    assert (tmp_path / "2").read_bytes()[:4] == program[:4] and (tmp_path / "3").read_bytes() == program
