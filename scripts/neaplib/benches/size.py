"""How large the hypervisor is."""

import re

from .measure import BenchError, output_of
from .report import Report, Table


def take():
    """The report."""
    # Not this make's jobs: it may have been called by one.
    text = output_of(["env", "-u", "MAKEFLAGS", "make", "-s", "--no-print-directory", "size"])
    found = re.search(r"(\d+) bytes text and constants, (\d+) data, (\d+) bss\s+hypervisor: (\d+) lines",
                      text)
    if not found:
        raise BenchError(f"make size says: {text}")
    names = ("text and constants, bytes", "data, bytes", "bss, bytes", "lines of .c, .h and .S")
    return Report("size", "Size", ["neap.elf, as built with gcc and -O2"],
                  [Table(["", "size"], [[name, int(value)] for name, value in zip(names, found.groups())])])
