"""scripts/check-image on images that loaders could not load."""

import importlib.machinery
import importlib.util
import struct
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "check-image"
loader = importlib.machinery.SourceFileLoader("check_image", str(SCRIPT))
check_image = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_image", loader))
loader.exec_module(check_image)

BASE = 0x200000


def build(segments=((0x1000, BASE, 0x2000, 0x2000), (0x3000, BASE + 0x2000, 0x100, 0x5000)),
          header_at=0x1000, flags=0x10003, load_end=BASE + 0x2100, bss_end=BASE + 0x7000, entry=BASE + 0x80):
    """A file with these program headers and both multiboot headers."""
    image = bytearray(0x10000)
    image[:6] = b"\x7fELF\x02\x01"
    struct.pack_into("<Q", image, 32, 64)
    struct.pack_into("<HH", image, 54, 56, len(segments))
    for i, (offset, address, in_file, in_memory) in enumerate(segments):
        struct.pack_into("<IIQQQQQQ", image, 64 + 56 * i, 1, 5, offset, 0, address, in_file, in_memory, 4096)
    struct.pack_into("<8I", image, header_at, 0x1BADB002, flags, -(0x1BADB002 + flags) & 0xFFFFFFFF,
                     BASE + header_at - 0x1000, BASE, load_end, bss_end, entry)
    struct.pack_into("<4I", image, header_at + 32, 0xE85250D6, 0, 16, -(0xE85250D6 + 16) & 0xFFFFFFFF)
    return image


def test_fits():
    check_image.check(build())
    check_image.check(build(header_at=0x1100))


@pytest.mark.parametrize("change, why", [
    ({"segments": ((0x1000, BASE, 0x2000, 0x2000), (0x4000, BASE + 0x2000, 0x100, 0x100))}, "into the file"),
    ({"segments": ((0x2000, BASE, 0x2000, 0x2000),)}, "into the file"),
    ({"load_end": BASE + 0x20FF}, "beyond"),
    ({"bss_end": BASE + 0x6FFF}, "beyond"),
    ({"entry": BASE + 0x2100}, "entry"),
    ({"entry": BASE - 1}, "entry"),
    ({"flags": 3}, "no addresses"),
    ({"header_at": 0x2000}, "no header 0x1badb002"),
])
def test_does_not_fit(change, why):
    with pytest.raises(check_image.Misplaced, match=why):
        check_image.check(build(**change))


def test_checksums():
    for at in (0x1008, 0x102C):
        image = build()
        image[at] ^= 1
        with pytest.raises(check_image.Misplaced, match="no header"):
            check_image.check(image)


def test_other_files():
    for image in (b"", b"\x7fELF\x01\x01" + bytes(100)):
        with pytest.raises(check_image.Misplaced):
            check_image.check(image)
