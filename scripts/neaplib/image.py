"""Boot images: an ISO for CD-ROM drives and sticks, and a stick with a FAT partition.

Both hold the same tree: /boot/neap.elf, /boot/modules/NAME and /boot/grub/grub.cfg.
"""

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

from . import UserError, need_file, stick

GRUB_MODULES = "normal multiboot2 linux iso9660 biosdisk part_msdos fat echo serial terminal"
# Every image is dated alike, so that the same files make the same bytes and boot in the same time.
IMAGE_TIME = 1767225600
IMAGE_DATE = "2026010100000000"
MODULE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}")
# scripts/run looks for this line: GRUB prints it on the serial port when it could not start us.
GRUB_FAILED = "grub: could not start the image"


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

    def all_modules(self):
        """The modules in the order in which Neap sees them: the manifest first, if there is one."""
        first = [Module(self.manifest, "manifest")] if self.manifest else []
        return first + self.modules

    def check(self):
        """Raises UserError for anything that GRUB would stumble over later, and silently."""
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


def quote_words(text):
    """`text` as words for GRUB's script language, each of them in single quotes."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in text.split())


def grub_config(contents):
    """The text of grub.cfg."""
    lines = ["set timeout=0", "set gfxpayload=text"]
    if contents.linux:
        lines.append(f"linux /boot/linux {quote_words(contents.cmdline)}")
        if contents.initrd:
            lines.append("initrd /boot/initrd")
    else:
        lines.append(f"multiboot2 /boot/neap.elf {quote_words(contents.cmdline)}")
        for module in contents.all_modules():
            # A compressed module is the guest's business: GRUB is to hand it over as it is.
            lines.append(f"module2 --nounzip /boot/modules/{module.name} {module.name}")
    lines += ["boot", "serial --unit=0 --speed=115200", "terminal_output --append serial",
              f"echo; echo '{GRUB_FAILED}'"]
    return "\n".join(lines) + "\n"


def lay_out(contents, root):
    """Copies everything into the directory `root`, as it is to be in the image."""
    contents.check()
    os.makedirs(os.path.join(root, "boot/grub"))
    files = {}
    if contents.linux:
        files["boot/linux"] = contents.linux
        if contents.initrd:
            files["boot/initrd"] = contents.initrd
    else:
        files["boot/neap.elf"] = contents.elf
        os.makedirs(os.path.join(root, "boot/modules"))
        for module in contents.all_modules():
            files[f"boot/modules/{module.name}"] = module.path
    for name, source in files.items():
        shutil.copyfile(source, os.path.join(root, name))
    with open(os.path.join(root, "boot/grub/grub.cfg"), "w", encoding="utf-8") as file:
        file.write(grub_config(contents))
    for directory, subdirectories, names in os.walk(root):
        for name in subdirectories + names:
            os.utime(os.path.join(directory, name), (IMAGE_TIME, IMAGE_TIME))


def run_tool(command):
    """Runs a command that is quiet when all is well; its output is shown when it fails."""
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(IMAGE_TIME), LC_ALL="C.UTF-8")
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed; scripts/setup installs it") from None
    if done.returncode:
        raise UserError(f"{command[0]} failed:\n{done.stdout}")


def build_iso(contents, path):
    """Writes an ISO that a BIOS boots, from a CD-ROM drive or copied onto a stick as it is."""
    with tempfile.TemporaryDirectory(prefix="neap-iso-") as root:
        lay_out(contents, root)
        # Few and uncompressed modules: an emulated drive is slow, an emulated inflate slower.
        run_tool(["grub-mkrescue", "-d", "/usr/lib/grub/i386-pc", "-o", path, "--compress=no",
                  "--fonts=", "--themes=", "--locales=", f"--install-modules={GRUB_MODULES}", root,
                  "--", "-volume_date", "uuid", IMAGE_DATE, "-volume_date", "all_file_dates",
                  f"={IMAGE_TIME}"])


def build_stick(contents, path):
    """Writes a disk image with one FAT partition, whose files a person can edit on any machine."""
    with tempfile.TemporaryDirectory(prefix="neap-stick-") as root:
        lay_out(contents, root)
        stick.build(root, path, GRUB_MODULES, run_tool)
