"""A USB stick's image: GRUB in front of one FAT32 partition, made without root."""

import os
import struct
import tempfile

from . import fat, grub

SECTOR = fat.SECTOR
PARTITION_START = 2048          # sectors: 1 MiB, where partitioning tools put the first one
SMALLEST_FAT32 = 66 << 20       # bytes: a FAT32 volume has 65525 clusters at least
ROOM_TO_SPARE = 32 << 20        # bytes for what a person adds to the stick
CYLINDER = fat.HEADS * fat.TRACK * SECTOR
FAT32_LBA = 0x0C
PARTITION_TABLE = 446


def partition_entry(sectors):
    """The one entry of the partition table: active, FAT32, addressed by block numbers."""
    unused_chs = b"\xfe\xff\xff"
    return struct.pack("<B3sB3sII", 0x80, unused_chs, FAT32_LBA, unused_chs, PARTITION_START, sectors)


def boot_sectors(core, sectors):
    """What stands before the partition: GRUB's boot sector, the partition table, GRUB's core.

    boot.img as it is built loads the core from block 1, and the core as it is built expects to
    follow there, so neither needs to be patched.
    """
    with open(os.path.join(grub.BIOS_DIRECTORY, "boot.img"), "rb") as file:
        boot = bytearray(file.read(SECTOR))
    boot[PARTITION_TABLE:510] = partition_entry(sectors) + bytes(48)
    boot[510:512] = b"\x55\xaa"
    if len(core) > (PARTITION_START - 1) * SECTOR:
        raise ValueError("GRUB's core does not fit before the partition")
    return bytes(boot) + core


def build(root, path):
    """Writes the image `path` with the files under `root`; it is a whole number of cylinders."""
    start = PARTITION_START * SECTOR
    size = start + max(SMALLEST_FAT32, fat.tree_size(root)) + ROOM_TO_SPARE
    size = -(-size // CYLINDER) * CYLINDER
    with tempfile.TemporaryDirectory(prefix="neap-core-") as scratch:
        core = os.path.join(scratch, "core.img")
        grub.build_bios_core(core, "i386-pc", "(hd0,msdos1)/boot/grub")
        with open(core, "rb") as file:
            head = boot_sectors(file.read(), (size - start) // SECTOR)
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)
    fat.build(root, path, size - start, start, ["-F"])
