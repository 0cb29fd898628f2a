"""The loop of scripts/run, with an emulator that is a pipe and says when what is written."""

import os
import re
import threading
import time

from neaplib import session
from neaplib.session import Output, Session
from neaplib.watch import Watcher


class Line:
    """The serial port's other end; the test writes to `ours`."""

    def __init__(self):
        self.fd, self.ours = os.pipe()
        os.set_blocking(self.fd, False)

    def read(self):
        try:
            return os.read(self.fd, 65536)
        except BlockingIOError:
            return b""

    def type(self, data):
        """Nobody reads it."""

    def pump(self):
        return None


class Emulator:
    """`pidfd` is readable from the beginning if it `has_ended`."""

    control_fd = None

    def __init__(self, has_ended=False):
        self.pidfd, self._end = os.pipe()
        if has_ended:
            os.write(self._end, b"x")

    def signal(self, number):
        """Nothing is to be stopped."""


def run(line, emulator, until=None, timeout=30):
    """The Outcome of a Session whose output goes nowhere."""
    with open(os.devnull, "wb", buffering=0) as null:
        watcher = Watcher(until and re.compile(until))
        return Session(emulator, line, watcher, Output(emulator, fd=null.fileno()), timeout=timeout).run()


class LateLine(Line):
    """What it has shows only to who reads: select() had looked before it came."""

    def __init__(self, data):
        super().__init__()
        self._late = data

    def read(self):
        data, self._late = self._late, b""
        return data


def test_last_words_that_select_has_not_seen():
    assert run(LateLine(b"neap: exit status 7\n"), Emulator(has_ended=True)).status == 7


def write_slowly(line, *chunks, pause=1.0):
    """Writes them from a thread of its own, each so many seconds after the one before."""
    def write():
        for chunk in chunks:
            os.write(line.ours, chunk)
            time.sleep(pause)
    thread = threading.Thread(target=write)
    thread.start()
    return thread


def test_the_rest_of_the_line_that_until_matched_is_waited_for():
    """An emulator that stands still in the midst of it does not cut it."""
    line = Line()
    thread = write_slowly(line, b"vm x: ended, status 1", b", after ", b"3 ms\nmore\n")
    start = time.monotonic()
    assert run(line, Emulator(), until="status 1").status == 0
    assert time.monotonic() - start > 1.5
    thread.join()


def test_until_may_match_a_line_that_has_no_end(monkeypatch):
    monkeypatch.setattr(session, "LINE_GRACE", 0.2)
    line = Line()
    os.write(line.ours, b"prompt> ")
    assert run(line, Emulator(), until="> ").status == 0


def test_a_panic_is_given_up_when_nothing_more_comes(monkeypatch):
    monkeypatch.setattr(session, "GRACE", 1.5)
    line = Line()
    thread = write_slowly(line, b"neap: error: panic: x\n", b"neap: error: y\n", b"neap: error: z\n")
    start = time.monotonic()
    outcome = run(line, Emulator())
    assert outcome.status == session.PANICKED and "did not tell all" in outcome.message
    assert time.monotonic() - start > 3.0
    thread.join()
