"""QEMU's machine protocol (QMP): commands to it, events from it, one JSON object a line."""

import json
import time

ANSWER_TIME = 120.0             # seconds: a busy machine may take its time to start QEMU


class MonitorError(Exception):
    """QEMU refused a command, did not answer, or is gone."""


class Monitor:
    """The connected socket `sock`; events that come while an answer is awaited are kept."""

    def __init__(self, sock):
        self._socket = sock
        self._buffer = b""
        self._events = []
        self.is_gone = False

    def fileno(self):
        """For select()."""
        return self._socket.fileno()

    def close(self):
        """Closes the connection."""
        self._socket.close()

    def _receive(self, timeout):
        """Reads what is there, after waiting for it; returns the whole messages."""
        self._socket.settimeout(timeout)
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise MonitorError("QEMU does not answer") from None
        except BlockingIOError:
            return []
        except ConnectionResetError:
            data = b""
        if not data:
            self.is_gone = True
            raise MonitorError("QEMU has ended")
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]

    def command(self, name, **arguments):
        """Has QEMU execute a command; returns its answer."""
        text = json.dumps({"execute": name, "arguments": arguments})
        try:
            self._socket.settimeout(ANSWER_TIME)
            self._socket.sendall(text.encode() + b"\n")
        except OSError:
            self.is_gone = True
            raise MonitorError("QEMU has ended") from None
        deadline = time.monotonic() + ANSWER_TIME
        while True:
            answer = None
            for message in self._receive(max(0.1, deadline - time.monotonic())):
                if "event" in message:
                    self._events.append(message)
                elif "return" in message or "error" in message:
                    answer = message
            if answer:
                if "error" in answer:
                    raise MonitorError(answer["error"]["desc"])
                return answer["return"]

    def events(self):
        """All events that have come and were not returned before; does not wait."""
        try:
            self._events += [m for m in self._receive(0) if "event" in m]
        except MonitorError:
            pass
        events, self._events = self._events, []
        return events
