"""neaplib/direct.py: what is on the disk that starts Neap in Bochs without a loader."""

import struct

import pytest

from neaplib import UserError, direct, image

ENTRY = 0xFFFFFFFF80200010
HEAD = bytes(510) + b"\x55\xaa"


def elf(segments, entry=ENTRY, magic=b"\x7fELF\x02\x01\x01"):
    """A 64-bit ELF file of (virtual, physical, contents, size in memory)."""
    headers, data = b"", b""
    for virtual, physical, contents, size in segments:
        at = 64 + 56 * len(segments) + len(data)
        headers += struct.pack("<IIQQQQQQ", 1, 5, at, virtual, physical, len(contents), size, 1)
        data += contents
    ident = magic.ljust(16, b"\0")
    head = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, entry, 64, 0, 0, 64, 56, len(segments), 0, 0, 0)
    return ident + head + headers + data


GOOD = elf([(0xFFFFFFFF80200000, 0x200000, b"code" * 8, 0x20), (0xFFFFFFFF80201000, 0x201000, b"data", 0x2004)])


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """Builds a disk of an ELF file and two modules; returns its bytes up to the end of what it holds."""
    (tmp_path / "head").write_bytes(HEAD)
    (tmp_path / "m").write_bytes(b"m" * 5000)
    (tmp_path / "n").write_bytes(b"n")
    monkeypatch.setattr(direct, "HEAD", str(tmp_path / "head"))

    def build(contents=GOOD, megabytes=64):
        (tmp_path / "elf").write_bytes(contents)
        direct.build(image.Contents(elf=str(tmp_path / "elf"), cmdline="one two", modules=[
            image.Module(str(tmp_path / "m"), "first"), image.Module(str(tmp_path / "n"), "n")]),
            tmp_path / "disk", megabytes)
        assert (tmp_path / "disk").stat().st_size == direct.DISK_SIZE
        with open(tmp_path / "disk", "rb") as file:
            return file.read(8 << 20)
    return build


def memory(disk, address, size):
    """What is at a physical address when Neap is entered."""
    at = 512 + address - direct.LOAD
    return disk[at:at + size]


def tags(disk):
    """[(type, contents)] of the information, the memory map's, which the first sector completes, last."""
    at, found = direct.LOAD + 8, []
    while not found or found[-1][0] != direct.TAG_MMAP:
        kind, size = struct.unpack("<II", memory(disk, at, 8))
        found.append((kind, memory(disk, at + 8, size - 8)))
        at += -(-size // 8) * 8
    return found


def test_what_lies_where(disk):
    built = disk()
    sectors, map_tag, entry = struct.unpack_from("<III", built, direct.WORDS)
    assert entry == 0x200010
    assert memory(built, 0x200000, 32) == b"code" * 8
    assert memory(built, 0x201000, 8) == b"data" + bytes(4)
    assert memory(built, 0x204000, 5000) == b"m" * 5000
    assert memory(built, 0x206000, 2) == b"n\0"
    assert sectors * 512 >= 0x206001 - direct.LOAD > (sectors - 1) * 512
    assert struct.unpack("<IIII", memory(built, map_tag, 16)) == (direct.TAG_MMAP, 16, 24, 0)
    assert tags(built) == [
        (direct.TAG_CMDLINE, b"one two\0"), (direct.TAG_LOADER, b"scripts/run\0"),
        (direct.TAG_MODULE, struct.pack("<II", 0x204000, 0x205388) + b"first\0"),
        (direct.TAG_MODULE, struct.pack("<II", 0x206000, 0x206001) + b"n\0"),
        (direct.TAG_FRAMEBUFFER, direct.TEXT_SCREEN), (direct.TAG_MMAP, struct.pack("<II", 24, 0))]


@pytest.mark.parametrize("bad, complaint", [
    (b"no kernel", "no 64-bit ELF"),
    (elf([(0, 0x200000, b"x", 1)], magic=b"\x7fELF\x01\x01\x01"), "no 64-bit ELF"),
    (elf([(0, 0x200000, b"x", 1)]), "entry is in none"),
    (elf([(ENTRY, 0x200000, b"x", 1)])[:119], "not in the file"),
    (elf([(ENTRY, 0x100000, b"x", 1)]), "linked too low")])
def test_what_is_refused(disk, bad, complaint):
    with pytest.raises(UserError, match=complaint):
        disk(bad)


def test_memory_must_hold_it(disk):
    assert disk(megabytes=3)
    with pytest.raises(UserError, match="2 MiB of memory do not hold"):
        disk(megabytes=2)
