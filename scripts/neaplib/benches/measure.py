"""How a bench gets at its figures: programs of the build machine, and guests in an emulator."""

import re
import subprocess
import tempfile

from .. import TOP

GUEST_STATUS = 1                # exit(0) through the debug-exit port
BOCHS_VMX = "corei7_skylake_x"
BOCHS_SVM = "zambezi"
# Name of a machine, and what scripts/run is told for it. QEMU with --icount counts instructions, too.
MACHINES = {
    "vmx": ["--target", "bochs", "--cpu", BOCHS_VMX],
    "svm": ["--target", "bochs", "--cpu", BOCHS_SVM],
    "svm-qemu": ["--target", "qemu", "--no-kvm", "--icount"],
}


class BenchError(Exception):
    """A bench that could not be taken; the text says why."""


def output_of(command, status=0):
    """What a command prints; it has to end with that status."""
    done = subprocess.run(command, cwd=TOP, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                          errors="replace", check=False)
    if done.returncode != status:
        raise BenchError(f"{command[0]} ended with status {done.returncode}:\n{done.stdout[-2000:]}")
    return done.stdout


def guest_output(machine, manifest, program, *options, timeout=900):
    """The serial port of a machine on which Neap runs a guest program until it leaves with 0."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(manifest)
        file.flush()
        return output_of(["scripts/run", *MACHINES[machine], "--manifest", file.name, "--module",
                          f"build/guest/{program}", "--timeout", str(timeout), *options], GUEST_STATUS)


def medians(text):
    """{row: median} of the lines "bench: NAME MIN MEDIAN", None of "bench: NAME skipped"."""
    found = re.findall(r"^bench: (\S+) (?:\d+ (\d+)|skipped)", text, re.MULTILINE)
    return {name: int(median) if median else None for name, median in found}


def emulator(name):
    """The emulator with its version, as the package says it."""
    package = {"Bochs": "bochs", "QEMU": "qemu-system-x86"}[name]
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    version = re.match(r"(?:\d+:)?([\d.]+)", done.stdout)
    return f"{name} {version[1]}" if version else name


def commit():
    """What Git calls this tree."""
    return output_of(["git", "describe", "--always", "--dirty"]).strip()


def processor():
    """The build machine's processor, for figures that are its time."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = re.findall(r"^model name\s*: (.*)$", file.read(), re.MULTILINE)
    return f"{names[0]}, {len(names)} processors" if names else "an unknown processor"
