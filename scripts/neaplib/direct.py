"""A disk that starts Neap without a loader: what `scripts/run --boot kernel` boots in Bochs.

Its first sector is scripts/direct.S. Behind it lies what is to be in memory from 1 MiB on, as it is:

    1 MiB       multiboot2's information; the first sector adds the memory map at its end
    2 MiB       Neap's segments, where it is linked
    behind it   the modules, each on a page boundary
"""

import os
import struct

from . import BUILD, UserError, need_file

SECTOR = 512
PAGE = 4096
LOAD = 1 << 20
HEAD = os.path.join(BUILD, "direct.bin")
WORDS = 498                     # in the first sector: sectors to read, the map's tag, the entry
LOADER = "scripts/run"
# The emulated disk's arm needs its time for a part of the way: on a large one all is close by.
DISK_SIZE = 63 * 16 * 512 * 2048
MAP_ROOM = 4096                 # bytes for the memory map
TEXT_SCREEN = struct.pack("<QIIIBBH", 0xb8000, 160, 80, 25, 16, 2, 0)
TAG_CMDLINE, TAG_LOADER, TAG_MODULE, TAG_MMAP, TAG_FRAMEBUFFER = 1, 2, 3, 6, 8
PT_LOAD = 1


def _align(number):
    return -(-number // PAGE) * PAGE


def _tag(kind, contents):
    tag = struct.pack("<II", kind, 8 + len(contents)) + contents
    return tag + bytes(-len(tag) % 8)


def _string(text):
    return text.encode() + b"\0"


def read_elf(path):
    """(physical entry, [(physical address, bytes, size in memory)]) of a 64-bit ELF file."""
    with open(path, "rb") as file:
        elf = file.read()
    if elf[:6] != b"\x7fELF\x02\x01" or len(elf) < 64:
        raise UserError(f"{path} is no 64-bit ELF file")
    entry, table = struct.unpack_from("<QQ", elf, 24)
    size, count = struct.unpack_from("<HH", elf, 54)
    segments, physical_entry = [], None
    if table + count * size > len(elf):
        raise UserError(f"{path}: its program headers are not in the file")
    for i in range(count):
        kind, _, at, virtual, physical, in_file, in_memory = struct.unpack_from(
            "<IIQQQQQ", elf, table + i * size)
        if kind == PT_LOAD:
            segments.append((physical, elf[at:at + in_file], in_memory))
            if virtual <= entry < virtual + in_memory:
                physical_entry = entry - virtual + physical
    if physical_entry is None:
        raise UserError(f"{path}: its entry is in none of its segments")
    return physical_entry, segments


def information(cmdline, modules):
    """multiboot2's information without its end, and where in it the memory map's tag is.

    modules: [(name, start, end)]
    """
    tags = _tag(TAG_CMDLINE, _string(cmdline)) + _tag(TAG_LOADER, _string(LOADER))
    for name, start, end in modules:
        tags += _tag(TAG_MODULE, struct.pack("<II", start, end) + _string(name))
    tags = bytes(8) + tags + _tag(TAG_FRAMEBUFFER, TEXT_SCREEN)
    return tags + struct.pack("<IIII", TAG_MMAP, 16, 24, 0), len(tags)


def memory(contents):
    """What is to be in memory from LOAD on: (where the map's tag is, entry, [(address, bytes)])."""
    entry, segments = read_elf(contents.elf)
    at = _align(max(address + size for address, _, size in segments))
    placed, modules = [(address, data) for address, data, _ in segments], []
    for module in contents.all_modules():
        with open(module.path, "rb") as file:
            data = file.read()
        placed.append((at, data))
        modules.append((module.name, at, at + len(data)))
        at = _align(at + len(data))
    tags, map_tag = information(contents.cmdline, modules)
    lowest = min(address for address, _, _ in segments)
    if LOAD + len(tags) + MAP_ROOM > lowest:
        raise UserError(f"--boot kernel: {contents.elf} is linked too low, or there are too many modules")
    return LOAD + map_tag, entry, [(LOAD, tags), *placed]


def build(contents, path, megabytes):
    """Writes the disk's image for a machine of so much memory; what holds nothing takes no space."""
    contents.check()
    if contents.linux:
        raise UserError("--boot kernel starts Neap in Bochs; for a bare Linux leave it out")
    map_tag, entry, placed = memory(contents)
    end = max(address + len(data) for address, data in placed)
    if end > megabytes << 20:
        raise UserError(f"--boot kernel: {megabytes} MiB of memory do not hold all that is to be booted")
    sectors = -(-(end - LOAD) // SECTOR)
    with open(need_file(HEAD, "make builds it"), "rb") as file:
        head = bytearray(file.read())
    struct.pack_into("<III", head, WORDS, sectors, map_tag, entry)
    with open(path, "wb") as file:
        file.write(head)
        for address, data in placed:
            file.seek(SECTOR + address - LOAD)
            file.write(data)
        file.truncate(DISK_SIZE)
