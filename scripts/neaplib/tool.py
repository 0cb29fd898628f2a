"""Programs that make images. All of them see the same clock, so that they write the same bytes."""

import os
import subprocess

from . import UserError

# Every image is dated alike, so that the same files make the same bytes and boot in the same time.
IMAGE_TIME = 1767225600
IMAGE_DATE = "2026010100000000"


def run_tool(command):
    """Runs a command that is quiet when all is well; its output is shown when it fails."""
    environment = dict(os.environ, SOURCE_DATE_EPOCH=str(IMAGE_TIME), LC_ALL="C.UTF-8", TZ="UTC")
    try:
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except FileNotFoundError:
        raise UserError(f"{command[0]} is not installed; scripts/setup installs it") from None
    if done.returncode:
        raise UserError(f"{command[0]} failed:\n{done.stdout}")
