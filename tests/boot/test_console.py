"""One serial port for several guests: the keys that switch it."""

import re

from neap import vm

HELP = r"^neap: console: Ctrl-\\ then: n next, "


def test_switching(run_guests):
    run = run_guests(vm("one", "uartecho.elf"), vm("two", "uartecho.elf"), send=[
        ("uartecho: ready", "first\n"), ("FIRST", "\x1cn"),
        ("console: vm two", ""), ("uartecho: ready", "second\n"), ("SECOND", "\x1c0"),
        ("console: Neap's log", "to nobody\n\x1c1"),
        ("console: vm one", "third\n"), ("THIRD", "\x1c\x1cx\n"), ("\x1cX", "\x1c?"),
        (r"1 one \(attached\)", "\x1c9"), (r"1 one \(attached\)", "\x1c2"),
        ("console: vm two", "fourth\n"), ("FOURTH", "\x1cn"), ("console: Neap's log", "\x1cn"),
        ("console: vm one", "quit\n"), ("uartecho: bye", ""), ("vm one: ended", "fifth\n"),
        ("FIFTH", "quit\n")])
    run.expect_status(1)
    assert "NOBODY" not in run.log
    echoed = [line for line in run.log.split("\n") if line.isupper()]
    assert echoed == ["FIRST", "SECOND", "THIRD", "\x1cX", "FOURTH", "FIFTH"]
    # For 0, ? and the 9 that is no console, and each time the log comes by.
    assert len(run.lines(HELP)) == 4
    assert len(run.lines(r"^neap: console:   1 one \(attached\)$")) == 2
    assert run.end_of("one") == run.end_of("two") == ("ended through its debug-exit port", 1)
    # Neap's lines never stand behind a guest's.
    assert run.lines(r".neap: ") == []


def test_without_a_serial_port(run_guests):
    """The guest runs all the same, and the machine goes off when it has ended."""
    run = run_guests(vm("hello", "hello.elf"), cmdline="serial=off")
    assert run.log == ""
    run.expect_status(1)
    assert re.search("ACPI control: soft power off|the machine switched itself off", run.stderr)
