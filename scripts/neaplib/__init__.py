"""What scripts/run, scripts/image, scripts/boot-ticks and the boot tests share."""

import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# A tree may be built more than once; NEAP_BUILD is the directory whose build is meant.
BUILD = os.environ.get("NEAP_BUILD") or os.path.join(TOP, "build")
DEPS = os.environ.get("NEAP_DEPS") or os.path.join(TOP, "build", "deps")
NEAP_ELF = os.path.join(BUILD, "neap.elf")
NEAP_EFI = os.path.join(BUILD, "neap.efi")
STOCK_MANIFEST = os.path.join(TOP, "scripts", "manifests", "linux.txt")
STOCK_KERNEL = os.path.join(DEPS, "linux", "vmlinuz")
STOCK_INITRD = os.path.join(DEPS, "initrd.gz")


class UserError(Exception):
    """Something the caller asked for cannot be had; the text says what and what to do."""


def need_file(path, hint):
    """Returns `path`, or raises UserError with `hint` when no such file is there."""
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file; {hint}")
    return path


def say(program, text):
    """A line about the program itself; these never mix with the serial port's bytes on stdout."""
    print(f"{program}: {text}", file=sys.stderr, flush=True)
