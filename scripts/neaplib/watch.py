"""Reads the serial port's output line by line: what to type next, and when the run is over."""

import codecs
import re

from .grub import FAILED as GRUB_FAILED

# A control sequence that a terminal would swallow, and the beginning of one at the end of a chunk.
CONTROL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[ -/]*[0-Z\\^-~])")
UNFINISHED_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|[ -/]*)$")
LINE_MAX = 65536
# Lines of Neap's and of a Linux kernel's: they come whenever they like. Neap first ends whatever line stands
# there, a kernel goes on in it.
INTERRUPTION = re.compile(r"^neap: |\[ *\d+\.\d{6}\] ")
PIECES_MAX = 16                 # of a line that was broken
PANIC = re.compile(r"neap: error: panic: ")
PANIC_END = re.compile(r"neap: error: panic: end")
EXIT_STATUS = re.compile(r"neap: exit status (\d{1,3})\s*")


class LineReader:
    """Cuts a stream of bytes into lines without control sequences."""

    def __init__(self):
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.partial = ""

    def feed(self, data):
        """Yields (line, finished); the last line may be unfinished, and comes again when longer."""
        text = self._held + self._decoder.decode(data)
        cut = UNFINISHED_SEQUENCE.search(text)
        self._held = text[cut.start():] if cut else ""
        text = self.partial + CONTROL_SEQUENCE.sub("", text[:cut.start()] if cut else text)
        *lines, self.partial = text.split("\n")
        for line in lines:
            yield line.rstrip("\r"), True
        if len(self.partial) > LINE_MAX:
            line, self.partial = self.partial, ""
            yield line, True
        elif self.partial:
            yield self.partial, False


class Pieces:
    """What was printed just before an interruption, which may have broken a line.

    Nobody can tell a line that was broken off from one that had its end. So a line that comes behind an
    interruption is looked at as it is, and together with what may be its beginning.
    """

    def __init__(self):
        self._pieces = []       # (text, where in it the last match ended)
        self._interrupted = False

    def add(self, line, searched=0):
        """A line is over, of which so much has been matched."""
        cut = INTERRUPTION.search(line)
        text = line[:cut.start()] if cut else line
        if text or not cut:
            self._pieces = self._pieces[1 - PIECES_MAX:] if self._interrupted else []
            self._pieces.append((text, min(searched, len(text))))
        self._interrupted = bool(cut)

    def find(self, pattern, line):
        """A match of `pattern` that begins in a piece and ends in `line`: (match, end in `line`), or None."""
        if not self._interrupted or INTERRUPTION.match(line):
            return None
        behind = line
        for piece, searched in reversed(self._pieces):
            behind, end = piece + behind, len(piece) + len(behind) - len(line)
            for start in range(searched, len(piece)):
                match = pattern.match(behind, start)
                if match and match.end() > end:
                    return match, match.end() - end
            if searched:
                break
        return None


class Watcher:
    """Follows the output.

    The texts of `sends`, pairs of a compiled expression and bytes, are typed in turn, each when its
    expression has appeared after the match before it. Only then `until` is looked for. Expressions
    match within one line, which may be unfinished, as a prompt is, or broken by an interruption.
    """

    def __init__(self, until=None, sends=()):
        self._reader = LineReader()
        self._until = until
        self._sends = list(sends)
        self._searched = 0          # where in the line the last match ended
        self._pieces = Pieces()
        self.until_seen = False
        self.until_line_over = False
        self.panicked = False
        self.panic_over = False
        self.boot_failed = False
        self.exit_status = None

    def feed(self, data):
        """Takes output; returns what is to be typed because of it."""
        to_type = b""
        for line, finished in self._reader.feed(data):
            to_type += self._match(line)
            if finished:
                self._pieces.add(line, self._searched)
                self._searched = 0
                self.until_line_over = self.until_seen
                self._note_verdict(line)
        return to_type

    def _find(self, pattern, line):
        """Where in the line a new match ends, or None."""
        match = pattern.search(line, self._searched)
        if match:
            return match.end()
        found = None if self._searched else self._pieces.find(pattern, line)
        return found[1] if found else None

    def _match(self, line):
        typed = b""
        while self._sends:
            end = self._find(self._sends[0][0], line)
            if end is None:
                return typed
            self._searched = end
            typed += self._sends.pop(0)[1]
        if self._until and not self.until_seen and self._find(self._until, line) is not None:
            self.until_seen = True
        return typed

    def _note_verdict(self, line):
        if PANIC_END.match(line):
            self.panic_over = self.panicked
        elif PANIC.match(line):
            self.panicked = True
        elif line.strip() == GRUB_FAILED:
            self.boot_failed = True
        status = EXIT_STATUS.fullmatch(line)
        if status and int(status.group(1)) <= 255:
            self.exit_status = int(status.group(1))
