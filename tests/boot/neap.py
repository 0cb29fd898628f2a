"""Boots Neap in an emulator for a test: `run_neap(...)` returns a Run with its status and its log.

A test says what to boot, what to type when, and at what output to end; scripts/run does the rest.
The log of every run stays under build/test-logs, named after the test. NEAP_BUILD chooses another
build than build/.
"""

import fcntl
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "scripts"))

from neaplib import (BUILD, NEAP_ELF, STOCK_INITRD, STOCK_KERNEL,  # noqa: E402
                     STOCK_MANIFEST)
from neaplib.watch import LineReader, Pieces  # noqa: E402

LOGS = os.path.join(BUILD, "test-logs")
GUESTS = os.path.join(BUILD, "guest")
PROMPT = "neap-guest# "
# Half of what Linux executes up to its shell is tests of its own ciphers. The stock guest has them; here
# they say nothing that it has not said.
QUICK_LINUX = "console=ttyS0,115200 cryptomgr.notests"
# Statuses of scripts/run beside the guests' own, which are (N << 1) | 1 for a guest's exit(N).
OFF = 0                 # all guests powered off
KILLED = 2              # a guest was stopped for what it did
NOT_STARTED = 4         # a VM of the manifest could not be started
NO_VIRTUALIZATION = 6   # the processor lacks what Neap needs
USAGE_ERROR = 2         # of scripts/run: it booted nothing
TIMED_OUT = 124
PANICKED = 125
# Beyond its own time-out scripts/run needs some seconds to make an image and to end its emulator; on a
# busy machine many.
RUN_SLACK = 300.0

_claimed = []           # open log files, locked: a log is this process's while that lives


@dataclass
class Run:
    """A run that is over."""

    status: int     # of scripts/run: Neap's own exit status, 0 for `until`, TIMED_OUT, ...
    log: str        # what the serial port said: lines end in \n, no terminal control sequences
    stderr: str     # what scripts/run said about it
    log_path: str   # where the serial port's bytes are

    def _matches(self, pattern):
        """Matches of `pattern` in lines, also in those of a guest's that an interruption has broken."""
        pattern, pieces = re.compile(pattern), Pieces()
        for line in self.log.split("\n"):
            match = pattern.search(line)
            broken = None if match else pieces.find(pattern, line)
            if match or broken:
                yield match or broken[0]
            pieces.add(line)

    def lines(self, pattern):
        """All lines of the log in which `pattern` is found; those that were broken are put together."""
        return [match.string for match in self._matches(pattern)]

    def find(self, pattern):
        """The first match of `pattern` in a line; if none, the test fails and shows the end."""
        match = next(self._matches(pattern), None)
        assert match, f"{pattern!r} is not in the log:\n{self.tail()}"
        return match

    def expect_status(self, status):
        """Fails the test, showing the log's end, unless the run ended with `status`."""
        assert self.status == status, (
            f"status {self.status}, not {status} ({self.stderr.strip()}):\n{self.tail()}")
        return self

    def end_of(self, name):
        """How the VM ended: (reason, status); the test fails if it has not."""
        match = self.find(rf"^neap: vm {re.escape(name)}: (.*), status (\d+), after \d+ ms$")
        return match[1], int(match[2])

    def has_ended(self, name):
        """Whether Neap told that the VM has ended."""
        return bool(self.lines(rf"^neap: vm {re.escape(name)}: .*, status \d+, after \d+ ms$"))

    def guest_text(self):
        """What guests printed, in one line: a line of Neap's may stand in the midst of one."""
        return "".join(line for line in self.log.split("\n") if not line.startswith("neap: "))

    def text_of(self, name, before=""):
        """What that guest printed, up to the text `before` in the log, with all guests' output shown
        (console=all): whoever said something in between, it is whole."""
        text = ""
        for line in self.log.partition(before)[0].split("\n") if before else self.log.split("\n"):
            match = re.match(rf"{re.escape(name)}([:+]) (.*)", line)
            if match:
                text += "\n" * (match[1] == ":" and bool(text)) + match[2]
        return text + "\n"

    def errors(self):
        """Neap's own errors, without the head of the line."""
        return [line.removeprefix("neap: error: ") for line in self.lines("^neap: error: ")]

    def tail(self, lines=40):
        """The log's last lines and where to read all of it."""
        return "\n".join(self.log.split("\n")[-lines:]) + f"\n[all of it: {self.log_path}]"


def vm(name, kernel, memory="64M", **keys):
    """A section of a manifest; `module` may be a list."""
    lines = [f"[vm {name}]", f"memory = {memory}", f"kernel = {kernel}"]
    for key, value in keys.items():
        lines += [f"{key} = {v}" for v in (value if isinstance(value, list) else [value])]
    return "\n".join(lines) + "\n"


def guest_program(name):
    """The path of one of the programs under guest/."""
    return os.path.join(GUESTS, name)


def stock_manifest():
    """The text of the stock guest's manifest."""
    with open(STOCK_MANIFEST, encoding="utf-8") as file:
        return file.read()


def stock_modules():
    """The modules that the stock guest's manifest names."""
    return {"vmlinuz": STOCK_KERNEL, "initrd.gz": STOCK_INITRD}


def _claim(path):
    """Makes the log `path` this process's own; False if it is some other run's."""
    file = open(path, "ab")  # pylint: disable=consider-using-with
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return False
    _claimed.append(file)
    return True


def _log_path(directory=LOGS):
    """Where this run's log goes: NAME.log, NAME-2.log, ... for the test NAME.

    No two runs of processes that are alive share a log; those of processes that have ended are
    written over.
    """
    test = os.environ.get("PYTEST_CURRENT_TEST", "run (").rpartition(" (")[0].rpartition("::")[2]
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", test).strip("_")
    os.makedirs(directory, exist_ok=True)
    path, number = os.path.join(directory, name + ".log"), 1
    while not _claim(path):
        number += 1
        path = os.path.join(directory, f"{name}-{number}.log")
    return path


def _write(directory, name, data):
    path = os.path.join(directory, name)
    with open(path, "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    return path


def _send_option(pattern, text):
    """A --send option: an equals sign in the expression and a backslash in the text are escaped."""
    pattern = re.sub(r"(\\.)|=", lambda m: m[1] or r"\=", pattern, flags=re.DOTALL)
    return f"--send={pattern}=" + text.replace("\\", "\\\\").replace("\n", "\\n")


def clean(data):
    """The serial port's bytes as text: lines end in \n, without terminal control sequences."""
    reader = LineReader()
    lines = [line for line, finished in reader.feed(data) if finished]
    return "\n".join(lines + [reader.partial])


def _contents_options(directory, manifest, modules, cmdline, elf):
    """Options of scripts/run for what is booted; files that are made for it lie in `directory`."""
    options = [f"--elf={elf}", f"--cmdline={cmdline}"]
    if manifest is None:
        options.append("--no-manifest")
    else:
        options.append(f"--manifest={_write(directory, 'manifest', manifest)}")
    for name, what in (modules or {}).items():
        path = _write(directory, f"module-{name}", what) if isinstance(what, bytes) else what
        options.append(f"--module={os.fspath(path)}={name}")
    return options


def _machine_options(target, log_path, **machine):
    """Options of scripts/run for the machine; those that are None have scripts/run's defaults."""
    options = [f"--target={target}", f"--{target}-log={log_path.removesuffix('.log')}.{target}"]
    if target == "qemu":
        options.append("--no-kvm")
    for name, value in machine.items():
        if value not in (None, False):
            option = "--" + name.replace("_", "-")
            options.append(option if value is True else f"{option}={value}")
    return options


def run_neap(manifest=None, modules=None, *, target="bochs", cpu=None, smp=1, memory=1024,
             cmdline=None, until=None, send=(), timeout=300.0, elf=NEAP_ELF, **machine):
    """Boots Neap and returns a Run.

    manifest: text of the manifest; None boots without that module
    modules:  {name: path, or the module itself as bytes}
    target:   bochs, or qemu, which is used without KVM
    cpu:      one of the target's processor models; None is scripts/run's default
    smp, memory: processors, and MiB of RAM
    cmdline:  Neap's; None is linger=0: nobody is to wait for the last lines on a screen
    until:    expression that ends the run well, looked for after the last of `send`
    send:     pairs (expression, text): type the text when the expression has appeared
    timeout:  seconds of real time
    machine:  more options of scripts/run, by name: boot="stick", firmware="uefi", machine="q35",
              efi_loader="grub", icount=True, screenshot=path, ...; with net=directory all that
              is booted comes from there
    """
    log_path = _log_path()
    if cmdline is None:
        cmdline = "linger=0"
    with tempfile.TemporaryDirectory(prefix="neap-test-") as directory:
        command = [os.path.join(TOP, "scripts", "run"), f"--timeout={timeout}",
                   f"--serial-log={log_path}"]
        command += _machine_options(target, log_path, cpu=cpu, smp=smp, memory=memory, **machine)
        if "net" not in machine:
            command += _contents_options(directory, manifest, modules, cmdline, elf)
        command += [f"--until={until}"] if until else []
        command += [_send_option(pattern, text) for pattern, text in send]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=timeout + RUN_SLACK, check=False)
    with open(log_path, "rb") as file:
        log = clean(file.read())
    stderr = done.stderr.decode(errors="replace")
    assert done.returncode != USAGE_ERROR or log, f"nothing was booted: {stderr}"
    return Run(done.returncode, log, stderr, log_path)


def run_guests(*sections, modules=None, **options):
    """Boots Neap with a manifest of these sections, and all guest programs that it names."""
    manifest = "".join(sections)
    named = set(re.findall(r"^(?:kernel|module) = (\S+\.elf)\b", manifest, re.MULTILINE))
    programs = {name: guest_program(name) for name in sorted(named - set(modules or {}))}
    return run_neap(manifest, {**programs, **(modules or {})}, **options)


def run_stock(**options):
    """Boots Neap with the stock Linux guest; the options are those of run_neap()."""
    return run_neap(stock_manifest(), stock_modules(), **options)
