"""Tests of the scripts themselves: python3 -m pytest scripts/tests"""

import os
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))


@pytest.fixture(scope="session")
def payload(tmp_path_factory):
    """The path of the small kernel that is booted in place of Neap."""
    path = tmp_path_factory.mktemp("payload") / "payload.elf"
    subprocess.run(["gcc", "-m32", "-O1", "-ffreestanding", "-nostdlib", "-static", "-fno-pic",
                    "-no-pie", "-fno-stack-protector", "-mgeneral-regs-only", "-Wall", "-Wextra",
                    "-Werror", "-Wl,-z,max-page-size=4096,--build-id=none,--no-warn-rwx-segments",
                    "-T", os.path.join(HERE, "payload.lds"), os.path.join(HERE, "payload.c"),
                    "-o", path], check=True)
    return path
