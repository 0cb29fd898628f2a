"""A guest's serial port: received and transmitted by interrupt, nothing lost."""

import string

from neap import vm


def test_echo(run_guests):
    run = run_guests(vm("echo", "uartecho.elf"), send=[
        ("uartecho: ready", "hello, World 1\n"), ("HELLO, WORLD 1", "\nquit\n")])
    run.expect_status(1)
    text = run.log[run.log.index("uartecho: ready"):]
    assert text.startswith("uartecho: ready\nHELLO, WORLD 1\n\nuartecho: bye\n")


def test_pasted_lines(run_guests):
    """All that may be typed ahead, some 1000 characters, at once: each comes back, in order.

    The guest looks away meanwhile: but for 16 in its UART and 64 of its own, Neap keeps them.
    """
    letters = string.ascii_lowercase + string.digits
    lines = ["pause"] + ["".join(letters[(i * 7 + n) % len(letters)] for i in range(100))
                         for n in range(10)]
    run = run_guests(vm("echo", "uartecho.elf"), send=[
        ("uartecho: ready", "\n".join(lines) + "\n"), (lines[-1].upper(), "quit\n")])
    run.expect_status(1)
    text = run.log[run.log.index("uartecho: ready"):]
    assert text.split("\n")[1:len(lines) + 1] == [line.upper() for line in lines]
    assert run.end_of("echo") == ("ended through its debug-exit port", 1)
