"""FAT volumes, made without root."""

import os

from .tool import run_tool

SECTOR = 512
# A volume of the PC's usual geometry; nothing reads it but programs of old that insist on one.
HEADS = 255
TRACK = 63


def tree_size(root, cluster=4096):
    """Bytes that the files and directories under `root` take on a volume with such clusters."""
    size = 0
    for directory, _, names in os.walk(root):
        size += cluster
        for name in names:
            size += -(-os.path.getsize(os.path.join(directory, name)) // cluster) * cluster
    return size


def build(root, path, size, start=0, options=()):
    """Makes a volume of `size` bytes in the file `path`, from its byte `start` on, out of `root`."""
    volume = f"{path}@@{start}"
    run_tool(["mformat", "-i", volume, *options, "-T", str(size // SECTOR), "-h", str(HEADS),
              "-s", str(TRACK), "-H", str(start // SECTOR), "-v", "NEAP", "-N", "4e454150", "::"])
    for name in sorted(os.listdir(root)):
        run_tool(["mcopy", "-i", volume, "-s", "-m", os.path.join(root, name), "::"])
