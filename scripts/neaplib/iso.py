"""An ISO for CD-ROM drives and, copied byte by byte, for sticks; BIOS and UEFI start it both ways.

    BIOS, CD-ROM   El Torito: GRUB's core, /boot/grub/bios.img
    BIOS, stick    boot sector: boot_hybrid.img, which loads the same core
    UEFI, CD-ROM   El Torito, platform 0xEF: the EFI volume
    UEFI, stick    partition 2, of type 0xEF: the same EFI volume
"""

import os
import tempfile

from . import fat, grub
from .tool import IMAGE_DATE, run_tool

ROOM_TO_SPARE = 256 << 10       # bytes of the EFI volume for its FAT and root directory
EFI_SYSTEM = "0xef"
HYBRID = os.path.join(grub.BIOS_DIRECTORY, "boot_hybrid.img")


def build_efi_volume(efi_root, path):
    """Writes the FAT volume that UEFI starts from."""
    track = fat.SECTOR * fat.TRACK
    size = fat.tree_size(efi_root) * 33 // 32 + ROOM_TO_SPARE
    size = -(-size // track) * track
    with open(path, "wb") as file:
        file.truncate(size)
    fat.build(efi_root, path, size)


def build(root, efi_root, path):
    """Writes the ISO `path` of the files under `root`, with the EFI volume made of `efi_root`."""
    grub.build_bios_core(os.path.join(root, "boot/grub/bios.img"), "i386-pc-eltorito",
                         "/boot/grub", grub.ISO_CORE_MODULES)
    grub.install_bios_modules(root)
    with tempfile.TemporaryDirectory(prefix="neap-efi-") as scratch:
        volume = os.path.join(scratch, "efi.img")
        build_efi_volume(efi_root, volume)
        run_tool(["xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-r", "-V", "NEAP",
                  f"--modification-date={IMAGE_DATE}", "--set_all_file_dates", IMAGE_DATE,
                  "-b", "boot/grub/bios.img", "-no-emul-boot", "-boot-load-size", "4",
                  "-boot-info-table", "--grub2-boot-info", "--grub2-mbr", HYBRID,
                  "--mbr-force-bootable", "-append_partition", "2", EFI_SYSTEM, volume,
                  "-eltorito-alt-boot", "-e", "--interval:appended_partition_2:all::",
                  "-no-emul-boot", root])
