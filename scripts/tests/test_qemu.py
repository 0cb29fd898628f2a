"""QEMU's command line, its protocol, its pictures."""

import json
import socket
import threading
import zlib

import pytest

from neaplib import UserError, bochs, qemu
from neaplib.machine import Machine, Medium
from neaplib.monitor import Monitor, MonitorError
from neaplib.picture import ppm_to_png

ISO = Medium("iso", "/x/boot.iso")


def command(medium=ISO, **given):
    return qemu.command(Machine(medium, "/dev/pts/9", **given), 7, "/tmp/none", "/tmp/q.log")


def pairs(line):
    """Options and their values."""
    return list(zip(line, line[1:]))


def test_threads_unless_instructions_are_counted():
    line = pairs(command(smp=4, memory=512))
    assert ("-accel", "tcg,thread=multi") in line and ("-cpu", "max") in line
    assert ("-smp", "4") in line and ("-m", "512") in line
    assert "-icount" not in command()
    line = pairs(command(icount=True))
    assert ("-accel", "tcg,thread=single") in line
    assert ("-icount", "shift=0,sleep=off") in line
    assert ("-rtc", "base=2026-01-01T00:00:00,clock=vm") in line


def test_kvm():
    line = pairs(command(kvm=True))
    assert ("-accel", "kvm") in line and ("-cpu", "host") in line
    assert ("-cpu", "EPYC") in pairs(command(kvm=True, cpu="EPYC"))
    assert ("-cpu", "EPYC") in pairs(command(cpu="EPYC"))


def test_nothing_is_in_the_machine_unasked():
    line = command()
    assert "-nodefaults" in line and ("-display", "none") in pairs(line)
    assert not [word for word in line if "netdev" in word or "kvm" in word]
    assert ("-action", "reboot=shutdown,shutdown=pause,panic=pause") in pairs(line)
    assert ("-machine", "q35") in pairs(command(board="q35"))


def test_media():
    assert ("-device", "ide-cd,drive=boot,bootindex=0") in pairs(command())
    stick = " ".join(command(Medium("stick", "/x/a,b")))
    assert "format=raw,snapshot=on,file=/x/a,,b -device ide-hd,drive=boot,bootindex=0" in stick
    net = " ".join(command(Medium("net", "/srv", bootfile="core.0")))
    assert "-netdev user,id=net,restrict=on,ipv6=off,tftp=/srv,bootfile=core.0 " in net
    kernel = pairs(command(Medium("kernel", "/d", "neap.elf", ["manifest", "vmlinuz"], "a  b")))
    assert ("-kernel", "neap.elf") in kernel and ("-append", "a  b") in kernel
    assert ("-initrd", "manifest,vmlinuz") in kernel
    assert "-initrd" not in command(Medium("kernel", "/d", "neap.elf"))


def test_uefi_gets_variables_of_its_own(tmp_path):
    share, own = tmp_path / "share,d", tmp_path / "own"
    share.mkdir()
    own.mkdir()
    machine = Machine(ISO, "/dev/pts/9", firmware="uefi")
    with pytest.raises(UserError, match="ovmf"):
        qemu.firmware(machine, str(own), str(share))
    (share / "OVMF_CODE_4M.fd").write_bytes(b"code")
    (share / "OVMF_VARS_4M.fd").write_bytes(b"variables")
    options = qemu.firmware(machine, str(own), str(share))
    assert options[1].endswith("readonly=on,file=" + str(share / "OVMF_CODE_4M.fd").replace(",", ",,"))
    assert "readonly" not in options[3]
    assert (own / "variables.fd").read_bytes() == b"variables"
    assert qemu.firmware(Machine(ISO, "/dev/pts/9"), str(own), str(share)) == []


def test_bochs_boots_from_either_drive():
    text = bochs.configuration(Machine(ISO, "/dev/pts/9", smp=2), "/l")
    assert "type=cdrom, path=/x/boot.iso, status=inserted\nboot: cdrom\n" in text
    assert "model=corei7_skylake_x, count=2:1:1" in text
    text = bochs.configuration(Machine(Medium("stick", "/x/s"), "/dev/pts/9", cpu="zambezi"), "/l")
    assert "type=disk, mode=volatile, path=/x/s, cylinders=0\nboot: disk\n" in text
    assert "model=zambezi" in text


@pytest.fixture
def peer():
    """A Monitor, and the socket of the QEMU that it talks to."""
    ours, theirs = socket.socketpair()
    with theirs:
        monitor = Monitor(ours)
        yield monitor, theirs
        monitor.close()


def lines(*messages):
    return b"".join(json.dumps(message).encode() + b"\r\n" for message in messages)


def test_events_between_a_command_and_its_answer_are_kept(peer):
    monitor, qemu_end = peer
    text = lines({"QMP": {}}, {"event": "RESUME"}, {"event": "STOP"}, {"return": {"a": 1}},
                 {"event": "SHUTDOWN"})
    sender = threading.Thread(target=lambda: [qemu_end.sendall(text[i:i + 9])
                                              for i in range(0, len(text), 9)])
    sender.start()
    assert monitor.command("cont") == {"a": 1}
    sender.join()
    assert json.loads(qemu_end.recv(100)) == {"execute": "cont", "arguments": {}}
    assert [event["event"] for event in monitor.events()] == ["RESUME", "STOP", "SHUTDOWN"]
    assert monitor.events() == [] and not monitor.is_gone


def test_a_refused_command_says_why(peer):
    monitor, qemu_end = peer
    qemu_end.sendall(lines({"error": {"class": "GenericError", "desc": "no such disk"}}))
    with pytest.raises(MonitorError, match="no such disk"):
        monitor.command("screendump", filename="x")
    assert json.loads(qemu_end.recv(100))["arguments"] == {"filename": "x"}


def test_a_qemu_that_is_gone(peer):
    monitor, qemu_end = peer
    qemu_end.sendall(lines({"event": "SHUTDOWN"}))
    qemu_end.close()
    with pytest.raises(MonitorError, match="has ended"):
        monitor.command("cont")
    assert monitor.is_gone
    assert monitor.events() == [{"event": "SHUTDOWN"}] or monitor.events() == []


def test_a_qemu_that_does_not_answer(peer, monkeypatch):
    monkeypatch.setattr("neaplib.monitor.ANSWER_TIME", 0.2)
    with pytest.raises(MonitorError, match="does not answer"):
        peer[0].command("cont")


def test_a_picture_keeps_its_pixels():
    pixels = bytes(range(2 * 3 * 3))
    png = ppm_to_png(b"P6\n2 3\n255\n" + pixels)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[16:24] == bytes([0, 0, 0, 2, 0, 0, 0, 3])
    at = png.index(b"IDAT")
    rows = zlib.decompress(png[at + 4:at + 4 + int.from_bytes(png[at - 4:at], "big")])
    assert rows == b"".join(b"\0" + pixels[i:i + 6] for i in (0, 6, 12))


@pytest.mark.parametrize("ppm", [b"", b"P5\n1 1\n255\n\0\0\0", b"P6\n1 1\n65535\n" + bytes(6),
                                 b"P6\n1 1\n255\n\0\0", b"P6\n1 1\n255\n\0\0\0\0"])
def test_what_is_no_picture_is_refused(ppm):
    with pytest.raises(ValueError):
        ppm_to_png(ppm)
