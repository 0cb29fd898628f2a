"""GRUB for boot images: its core for the BIOS and for UEFI, and its configuration."""

import os
import shutil
import tempfile

from . import UserError
from .tool import run_tool

BIOS_DIRECTORY = "/usr/lib/grub/i386-pc"
EFI_DIRECTORY = "/usr/lib/grub/x86_64-efi"
COMMON_MODULES = "normal multiboot2 linux part_msdos fat iso9660 echo test serial terminal"
BIOS_MODULES = f"{COMMON_MODULES} biosdisk"
# Of an ISO: the core is small, as the BIOS's is unpacked before it runs, which takes an emulator longer
# than to read modules as they are.
ISO_CORE_MODULES = "biosdisk iso9660"
EFI_MODULES = f"{COMMON_MODULES} part_gpt search_fs_file efi_gop"
# scripts/run looks for this line: GRUB prints it on the serial port when it could not start us.
FAILED = "grub: could not start the image"


def quote_words(text):
    """`text` as words for GRUB's script language, each of them in single quotes."""
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in text.split())


def config(contents):
    """The text of grub.cfg, the same for both kinds of firmware.

    A BIOS leaves a text screen. UEFI has none: GRUB sets a graphics mode there and hands over its
    frame buffer. What a failure has to say goes to the serial port; with UEFI the firmware may use
    that for its own console, so GRUB's screen and the port are not written to at the same time.
    """
    lines = ["set timeout=0",
             'if [ "$grub_platform" = efi ]; then set gfxpayload=auto; '
             "else set gfxpayload=text; fi"]
    if contents.linux:
        lines.append(f"linux /boot/linux {quote_words(contents.cmdline)}")
        if contents.initrd:
            lines.append("initrd /boot/initrd")
    else:
        lines.append(f"multiboot2 /boot/neap.elf {quote_words(contents.cmdline)}")
        for module in contents.all_modules():
            # A compressed module is the guest's business: GRUB is to hand it over as it is.
            lines.append(f"module2 --nounzip /boot/modules/{module.name} {module.name}")
    lines += ["boot", "serial --unit=0 --speed=115200", f"echo; echo '{FAILED}'",
              "terminal_output serial", f"echo; echo '{FAILED}'", "terminal_output console"]
    return "\n".join(lines) + "\n"


def _need_package(directory, package):
    if not os.path.isdir(directory):
        raise UserError(f"{package} is not installed; scripts/setup installs it")


def build_bios_core(path, target, prefix, modules=BIOS_MODULES):
    """Writes GRUB's core; `target` is i386-pc for a disk, i386-pc-eltorito for a CD-ROM."""
    _need_package(BIOS_DIRECTORY, "grub-pc-bin")
    run_tool(["grub-mkimage", "-O", target, "-d", BIOS_DIRECTORY, "-o", path, "-p", prefix]
             + modules.split())


def _with_dependencies(names, moddep):
    """`names` and all that they need, by the text of GRUB's moddep.lst."""
    needs = {name: rest.split() for name, _, rest in
             (line.partition(":") for line in moddep.splitlines())}
    found, to_do = set(), list(names)
    while to_do:
        name = to_do.pop()
        if name not in found:
            found.add(name)
            to_do += needs.get(name, [])
    return sorted(found)


def install_bios_modules(root):
    """Puts the modules that are not in an ISO's core under `root`, and what names their commands."""
    _need_package(BIOS_DIRECTORY, "grub-pc-bin")
    target = os.path.join(root, "boot/grub/i386-pc")
    os.makedirs(target)
    with open(os.path.join(BIOS_DIRECTORY, "moddep.lst"), encoding="ascii") as file:
        moddep = file.read()
    modules = _with_dependencies(COMMON_MODULES.split(), moddep)
    for name in ["command.lst"] + [f"{module}.mod" for module in modules]:
        shutil.copyfile(os.path.join(BIOS_DIRECTORY, name), os.path.join(target, name))


def build_efi_core(path, marker):
    """Writes GRUB as an EFI application. It starts from the volume that holds the file `marker`."""
    _need_package(EFI_DIRECTORY, "grub-efi-amd64-bin")
    with tempfile.NamedTemporaryFile("w", suffix=".cfg", encoding="utf-8") as early:
        early.write(f"search.file {marker} root\nset prefix=($root)/boot/grub\n")
        early.flush()
        run_tool(["grub-mkimage", "-O", "x86_64-efi", "-d", EFI_DIRECTORY, "-o", path,
                  "-c", early.name, "-p", "/boot/grub"] + EFI_MODULES.split())
