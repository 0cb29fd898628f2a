"""The machine that an emulator is to be, and what it boots from."""

from dataclasses import dataclass, field

BOARDS = ("pc", "q35")
FIRMWARES = ("bios", "uefi")


@dataclass
class Medium:
    """What the machine boots from.

    kind    path
    iso     an ISO in a CD-ROM drive
    stick   the image of a disk
    kernel  QEMU: a directory with the kernel `kernel` and the files `modules`; it loads them itself.
            Bochs: the image of a disk that starts by itself (direct.py)
    net     a directory that is served by TFTP; the firmware is told to load `bootfile`
    """

    kind: str
    path: str
    kernel: str = None
    modules: list = field(default_factory=list)
    cmdline: str = ""
    bootfile: str = None


@dataclass
class Machine:
    """The machine to emulate. `serial` is the terminal that becomes COM1's other end."""

    medium: Medium
    serial: str
    cpu: str = None             # the emulator's default
    smp: int = 1
    memory: int = 1024          # MiB
    log: str = None             # also log what the emulator finds odd, here
    # Bochs only.
    debugger: str = "c\n"       # commands for its debugger; it stops before the first instruction
    # QEMU only.
    firmware: str = "bios"
    board: str = "pc"
    kvm: bool = False
    icount: bool = False        # time is a count of instructions
    screenshot: str = None      # a PNG of the screen at the run's end
