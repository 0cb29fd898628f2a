"""Boot images: an ISO for CD-ROM drives and sticks, and a stick with a FAT partition.

Both hold the same tree: /boot/neap.elf, /boot/modules/NAME, /boot/cmdline and /boot/grub/grub.cfg.
The BIOS starts GRUB. UEFI starts GRUB, too, or Neap's own loader neap.efi, which reads the command
line and the modules from the volume it is on.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from . import UserError, grub, iso, manifest, need_file, stick
from .tool import IMAGE_TIME

MODULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")
EFI_LOADERS = ("grub", "neap")
HYPERVISOR = "boot/neap.elf"
# What UEFI starts from a removable medium.
EFI_START = "EFI/BOOT/BOOTX64.EFI"


@dataclass
class Module:
    """A boot module: the file it is made from, and the name it is known by."""

    path: str
    name: str

    @classmethod
    def parse(cls, text):
        """FILE or FILE=NAME, as on the command line."""
        path, equals, name = text.rpartition("=")
        if not equals:
            path, name = text, os.path.basename(text)
        return cls(path, name)


@dataclass
class Contents:
    """What goes into an image. With `linux` set, GRUB boots that kernel itself, without Neap."""

    elf: str = None
    cmdline: str = ""
    manifest: str = None
    modules: list = field(default_factory=list)
    linux: str = None
    initrd: str = None
    efi: str = None             # neap.efi, for UEFI to start without GRUB

    def all_modules(self):
        """The modules in the order in which Neap sees them: the manifest first, if there is one."""
        first = [Module(self.manifest, "manifest")] if self.manifest else []
        return first + self.modules

    def check(self):
        """Raises UserError for anything that a loader would stumble over later, and silently."""
        names = [module.name for module in self.all_modules()]
        for name in names:
            if not MODULE_NAME.fullmatch(name):
                raise UserError(f"module name {name!r}: letters, digits and ._+- only, 63 at most")
            if names.count(name) > 1:
                raise UserError(f"two modules are named {name}")
        for module in self.all_modules():
            need_file(module.path, f"it was to be module {module.name}")
        if self.linux:
            need_file(self.linux, "scripts/setup fetches the stock kernel")
        else:
            need_file(self.elf, "make builds it")
        if self.efi:
            need_file(self.efi, "make builds it; with --efi-loader grub it is not needed")

    def warnings(self):
        """What is odd, though an image can be made of it: sentences."""
        return manifest.complaints(self.manifest, [module.name for module in self.modules])

    def files(self):
        """{path in the image: file it is copied from}"""
        if self.linux:
            initrd = {"boot/initrd": self.initrd} if self.initrd else {}
            return {"boot/linux": self.linux, **initrd}
        modules = {f"boot/modules/{module.name}": module.path for module in self.all_modules()}
        return {HYPERVISOR: self.elf, **modules}


def copy_hypervisor(source, target):
    """Copies neap.elf without its symbols and debug information: three quarters of the file, which loaders
    read, and GRUB puts into memory. Backtraces have a table of their own.

    Without objcopy, and if it can make nothing of the file, that is copied as it is.
    """
    command = ["objcopy", "--strip-all", source, target]
    try:
        stripped = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        stripped = False
    if not stripped:
        shutil.copyfile(source, target)


def _copy(files, root):
    for name, source in files.items():
        target = os.path.join(root, name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        put = copy_hypervisor if name == HYPERVISOR else shutil.copyfile
        put(source, target)


def _write(root, name, text):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _date(root):
    for directory, subdirectories, names in os.walk(root):
        for name in subdirectories + names:
            os.utime(os.path.join(directory, name), (IMAGE_TIME, IMAGE_TIME))


def _fingerprint(root):
    """A name for this tree that no other has: a hash of all that is in it."""
    state = hashlib.sha256()
    for directory, subdirectories, names in os.walk(root):
        subdirectories.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            state.update(f"{os.path.relpath(path, root)} {os.path.getsize(path)}\n".encode())
            with open(path, "rb") as file:
                state.update(file.read())
    return state.hexdigest()[:16]


def lay_out(contents, root):
    """Copies everything into the directory `root`, as it is to be in the image.

    Returns the path, in the image, of an empty file that only this image has: GRUB for UEFI finds
    its volume by it.
    """
    contents.check()
    _copy(contents.files(), root)
    if not contents.linux:
        _write(root, "boot/cmdline", contents.cmdline + "\n")
    _write(root, "boot/grub/grub.cfg", grub.config(contents))
    marker = f"boot/grub/{_fingerprint(root)}.id"
    _write(root, marker, "")
    return "/" + marker


def lay_out_efi(contents, root, marker, own_volume):
    """Puts what UEFI starts under `root`; the modules, too, if that becomes a volume of its own."""
    start = os.path.join(root, EFI_START)
    os.makedirs(os.path.dirname(start))
    if not contents.efi:
        grub.build_efi_core(start, marker)
        return
    shutil.copyfile(contents.efi, start)
    if own_volume:
        files = contents.files()
        del files[HYPERVISOR]
        _copy(files, root)
        _write(root, "boot/cmdline", contents.cmdline + "\n")


def lay_out_kernel(contents, root):
    """Puts everything into the directory `root` for an emulator that loads a kernel itself.

    The modules lie there under their names alone: QEMU hands over what it was told as the name of a
    file as the module's string. Returns the kernel's name and those of the modules.
    """
    contents.check()
    if contents.linux:
        kernel, modules = "linux", [Module(contents.initrd, "initrd")] if contents.initrd else []
    else:
        kernel, modules = "neap.elf", contents.all_modules()
    files = {kernel: contents.linux or contents.elf}
    for module in modules:
        if module.name in files:
            raise UserError(f"a module cannot be named {module.name} here: the kernel is")
        files[module.name] = module.path
    for name, path in files.items():
        os.symlink(os.path.abspath(path), os.path.join(root, name))
    return kernel, [module.name for module in modules]


def build_iso(contents, path):
    """Writes an ISO, to boot from a CD-ROM drive or copied onto a stick as it is."""
    with tempfile.TemporaryDirectory(prefix="neap-iso-") as scratch:
        root, efi_root = os.path.join(scratch, "root"), os.path.join(scratch, "efi")
        marker = lay_out(contents, root)
        lay_out_efi(contents, efi_root, marker, own_volume=True)
        _date(scratch)
        iso.build(root, efi_root, path)


def build_stick(contents, path):
    """Writes a disk image with one FAT partition, whose files a person can edit on any machine."""
    with tempfile.TemporaryDirectory(prefix="neap-stick-") as root:
        lay_out_efi(contents, root, lay_out(contents, root), own_volume=False)
        _date(root)
        stick.build(root, path)
