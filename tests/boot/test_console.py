"""One serial port for several guests: the keys that switch it."""

import re

import pytest

from neap import vm

HELP = r"^neap: console: Ctrl-\\ then: n next, "


def test_switching(run_guests):
    """What is typed waits for the guest to be ready, and for the log's lines: they break others."""
    began = "uartecho: ready|vm two: starts"
    run = run_guests(vm("one", "uartecho.elf"), vm("two", "uartecho.elf"), send=[
        (began, ""), (began, "first\n"), ("FIRST", "\x1cn"),
        ("console: vm two", ""), ("uartecho: ready", "second\n"), ("SECOND", "\x1c0"),
        ("console: Neap's log", "to nobody\n\x1c1"),
        ("console: vm one", "third\n"), ("THIRD", "\x1c\x1cx\n"), ("\x1cX", "\x1c?"),
        (r"1 one \(attached\)", "\x1c9"), (r"1 one \(attached\)", "\x1c2"),
        ("console: vm two", "fourth\n"), ("FOURTH", "\x1cn"), ("console: Neap's log", "\x1cn"),
        ("console: vm one", "quit\n"), ("uartecho: bye", ""), ("vm one: ended", ""),
        ("frames free", "fifth\n"), ("FIFTH", "quit\n")])
    run.expect_status(1)
    assert "NOBODY" not in run.log
    echoed = [line for line in run.log.split("\n") if line.isupper()]
    assert echoed == ["FIRST", "SECOND", "THIRD", "\x1cX", "FOURTH", "FIFTH"]
    # For 0 and ?, and each time the log comes by.
    assert len(run.lines(HELP)) == 3
    run.find("^neap: console: there is no console 9$")
    assert len(run.lines(r"^neap: console:   1 one \(attached\), \d+ bytes wait, 0 lost$")) == 2
    assert run.end_of("one") == run.end_of("two") == ("ended through its debug-exit port", 1)
    # Neap's lines never stand behind a guest's.
    assert run.lines(r".neap: ") == []


def test_all_at_once(run_guests):
    """Each line of each guest's under its name; what is typed goes to the one attached last."""
    # Two are ready (their first line may be split), and the other two have ended: no line of the log's
    # splits what follows.
    began = "frames free|^(one|two)[:+] .*y"
    run = run_guests(vm("one", "uartecho.elf"), vm("two", "uartecho.elf"), vm("hi", "hello.elf"),
                     vm("off", "hello.elf", uart="off"), cmdline="console=all", send=[
        (began, ""), (began, ""), (began, ""), (began, "first\n"),
        ("^one: FIRST", "\x1c2"), ("console: vm two", "second\n"),
        ("^SECOND", "\x1ca"), ("console: all; what is typed goes to vm two", "third\n"),
        ("^two: THIRD", "quit\n"), ("^two: uartecho: bye", ""), ("vm two: ended", ""),
        ("frames free", "fourth\n"), ("^one: FOURTH", "quit\n")])
    run.expect_status(1)
    # A line that one of the log's has split goes on under its name, too.
    hi = "".join(re.sub("^hi[:+] ", "", line) + ("" if following.startswith("hi+ ") else "\n")
                 for line, following in pairs([line for line in run.log.split("\n")
                                               if re.match("hi[:+] ", line)]))
    assert hi.startswith("hello from a guest\ncommand line: ")
    assert hi.endswith("modules: 0\n") or "processor: " in hi
    for line in run.log.split("\n"):
        assert re.match(r"$|neap: |(one|two|hi)[:+] |SECOND$", line), line


def pairs(lines):
    """Each line with the one behind it."""
    return zip(lines, lines[1:] + [""])


def test_beyond_the_ninth(run_guests):
    """Two digits reach any VM, and the list says which there are."""
    names = [f"vm{n}" for n in range(1, 12)]
    run = run_guests(*(vm(name, "uartecho.elf", "4M") for name in names), cmdline="console=vm11", send=[
        ("vm vm11: starts", ""), ("uartecho: ready", "\x1cl"),
        (r"  11 vm11 \(attached\), \d+ bytes wait, 0 lost", "\x1cg10"),
        ("console: vm vm10", ""), ("uartecho: ready", "ten\n"), ("TEN", "\x1cg12"), ("there is no console 12", "")],
        until=r"  11 vm11, ")
    run.expect_status(0)
    assert run.lines("^neap: console:   9 vm9, ")


@pytest.mark.slow(15)
def test_flood_while_detached(run_guests):
    """A guest that prints without end runs on, keeps what is newest, and Neap counts the rest.

    The third one's resets are the clock: it is looked from time to time whether the buffer has run over.
    """
    began = "uartecho: ready|vm clock: restart 2$"
    over = r"flood, \d+ bytes wait, [1-9]\d* lost"
    run = run_guests(vm("echo", "uartecho.elf", "4M"), vm("flood", "flood.elf", "4M"),
                     vm("clock", "reboot.elf", "2M", cmdline="kbc", reboots=100000), send=[
        (began, ""), (began, "one\n"), ("^ONE$", "\x1cl"),
        *(10 * [(rf"{over}|vm clock: restart \d+$", "\x1cl")]), (over, "\x1c2"),
        (r"vm flood: \d+ bytes of its output were lost while detached", "\x1c1"),
        ("console: vm echo", "three\n"), ("THREE", "\x1c2"), (r"flood: line \d+", "\x1c1"),
        ("console: vm echo", "quit\n")], until="vm echo: ended", timeout=600.0)
    run.expect_status(0)


def test_typed_in_vain(run_guests):
    """A guest that never reads: what is typed beyond its room is lost, and Neap says so."""
    run = run_guests(vm("deaf", "spin.elf"), send=[("spin: interrupts off", "x" * 1500)],
                     until=r"^neap: warning: console: vm deaf does not read: \d+ typed bytes were lost")
    run.expect_status(0)


def test_no_such_console(run_guests):
    run = run_guests(vm("one", "hello.elf"), cmdline="console=two").expect_status(1)
    run.find("^neap: warning: console= names no VM that has a serial port$")


@pytest.mark.slow(15)
def test_without_a_serial_port(run_guests):
    """The guest runs all the same, and the machine goes off when it has ended."""
    run = run_guests(vm("hello", "hello.elf"), cmdline="serial=off")
    assert run.log == ""
    run.expect_status(1)
    assert re.search("ACPI control: soft power off|the machine switched itself off", run.stderr)
