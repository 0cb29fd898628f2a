"""The parts of neaplib that need no emulator."""

import re

import pytest

from neaplib import UserError, aptsources, grub, image, manifest
from neaplib.watch import LINE_MAX, LineReader, Watcher


def feed(watcher, *chunks):
    return [watcher.feed(chunk) for chunk in chunks]


def test_lines_lose_carriage_returns_and_control_sequences():
    reader = LineReader()
    assert list(reader.feed(b"one\r\n\x1b[1mtwo\x1b[0")) == [("one", True), ("two", False)]
    assert list(reader.feed(b"m three\x1b[6n\n")) == [("two three", True)]


def test_a_character_may_be_cut_in_two():
    reader = LineReader()
    list(reader.feed("ü".encode()[:1]))
    assert list(reader.feed("ü".encode()[1:] + b"\n")) == [("ü", True)]


def test_an_endless_line_is_cut():
    reader = LineReader()
    assert list(reader.feed(b"x" * LINE_MAX)) == [("x" * LINE_MAX, False)]
    assert list(reader.feed(b"x")) == [("x" * (LINE_MAX + 1), True)]
    assert reader.partial == ""


def test_a_send_is_typed_once_and_the_next_needs_new_output():
    watcher = Watcher(sends=[(re.compile("# "), b"a\n"), (re.compile("# "), b"b\n")])
    assert feed(watcher, b"# ", b"a\r\n", b"# ", b"# ") == [b"a\n", b"", b"b\n", b""]


def test_until_is_looked_for_after_the_last_send_only():
    watcher = Watcher(until=re.compile("# "), sends=[(re.compile("# "), b"a\n")])
    feed(watcher, b"# ")
    assert not watcher.until_seen
    feed(watcher, b"a\r\n# ")
    assert watcher.until_seen and not watcher.until_line_over
    feed(watcher, b"\n")
    assert watcher.until_line_over


@pytest.mark.parametrize("text, status", [
    (b"neap: exit status 0\n", 0), (b"neap: exit status 255\r\n", 255),
    (b"neap: exit status 256\n", None), (b"neap: exit status 3", None),
    (b"guest: neap: exit status 3\n", None), (b"neap: exit status 3 or so\n", None),
    (b"neap: exit status 1\nneap: exit status 2\n", 2),
])
def test_exit_status(text, status):
    watcher = Watcher()
    watcher.feed(text)
    assert watcher.exit_status == status


@pytest.mark.parametrize("text, panicked, over", [
    (b"neap: error: panic: x\n", True, False),
    (b"neap: error: panic: x\ny\nneap: error: panic: end; z\n", True, True),
    (b"neap: error: panic: end\n", False, False), (b"a neap: error: panic: x\n", False, False),
])
def test_panic(text, panicked, over):
    watcher = Watcher()
    watcher.feed(text)
    assert (watcher.panicked, watcher.panic_over) == (panicked, over)


def test_words_are_quoted_for_grub():
    assert grub.quote_words(" a  b=$x;c it's ") == r"'a' 'b=$x;c' 'it'\''s'"


def test_a_module_is_named_after_its_file_unless_told():
    assert image.Module.parse("/a/b.gz") == image.Module("/a/b.gz", "b.gz")
    assert image.Module.parse("/a=c/b.gz=d") == image.Module("/a=c/b.gz", "d")


def test_module_names_that_grub_would_misread_are_refused(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(b"")
    for names in (["a b"], ["a;b"], ["-a"], [""], ["a" * 64], ["a", "a"], ["manifest"]):
        contents = image.Contents(elf=str(file), manifest=str(file),
                                  modules=[image.Module(str(file), name) for name in names])
        with pytest.raises(UserError):
            contents.check()
    image.Contents(elf=str(file), modules=[image.Module(str(file), "a" * 63)]).check()


def test_the_manifest_is_the_first_module():
    contents = image.Contents(elf="e", manifest="m", modules=[image.Module("v", "vmlinuz")])
    config = grub.config(contents)
    assert config.index("modules/manifest manifest") < config.index("modules/vmlinuz vmlinuz")


def test_apt_sources_in_both_formats():
    listed = list(aptsources.parse_list(
        "# deb http://no x main\n"
        "deb [arch=amd64 signed-by=/k] http://a/debian bookworm main contrib # it\n"
        "deb-src http://a/debian bookworm main\n"))
    assert [stanza["URIs"] for stanza in listed] == ["http://a/debian"] * 2
    assert listed[0]["Signed-By"] == "/k"
    stanzas = list(aptsources.parse_sources(
        "Types: deb\n# remark\nURIs: http://b\nSuites: bookworm sid\nComponents: main\n"
        "Signed-By:\n -----BEGIN\n .\n x\n\nEnabled: no\nURIs: http://c\n"))
    assert len(stanzas) == 1
    assert stanzas[0]["Signed-By"] == "\n -----BEGIN\n .\n x"
    assert aptsources.wanted(stanzas[0], "bookworm") == ["bookworm"]


def sends(*patterns):
    """A Watcher that types 0, 1, ... at these."""
    return Watcher(sends=[(re.compile(pattern), b"%d" % i) for i, pattern in enumerate(patterns)])


@pytest.mark.parametrize("text", [
    b"uartecho: ready\n", b"uartecho: rea\r\nneap: vm two: 1 vCPU\r\nneap: vm two: starts\r\ndy\r\n",
    b"uar\nneap: a\ntecho: r\nneap: b\neady\n", b"uartecho: re[    1.234567] random: crng\nady\n",
    b"said before\nneap: a\nuartecho: rea\nneap: b\ndy\n",
])
def test_a_line_that_was_interrupted_is_one(text):
    assert b"".join(feed(sends("^uartecho: ready$"), text)) == b"0"
    assert b"".join(feed(sends("^uartecho: ready$"), *(text[i:i + 1] for i in range(len(text))))) == b"0"


def test_what_was_matched_does_not_match_again_behind_an_interruption():
    watcher = sends("# ", "# ")
    assert b"".join(feed(watcher, b"# \nneap: a\nb\n", b"neap: c\n", b"d")) == b"0"
    assert feed(watcher, b"# ") == [b"1"]


def test_what_was_said_before_an_interruption_is_past():
    """The second expression is to be found behind where the first was found: in Neap's line."""
    assert b"".join(feed(sends("neap: x", "ready"), b"ready\nneap: x\n", b"other\n")) == b"0"
    assert b"".join(feed(sends("neap: x", "ready"), b"rea\nneap: x\n", b"dy\n")) == b"01"


def test_lines_without_an_interruption_are_not_put_together():
    assert b"".join(feed(sends("ready"), b"rea\ndy\n")) == b""
    assert b"".join(feed(sends("neap: .*xy"), b"x\nneap: x\ny\n")) == b""


MANIFEST = """\ufeff# kernel = comment
[vm one]\r
kernel\t=\tvmlinuz # a comment\r
initrd = initrd.gz
cmdline = kernel = nothing
[vm two] # here, too
kernel=two.elf
module = disk.img disk.img --flag
 module  =  manifest
initrd = # nothing
[vm t w o]
kernel = skipped.elf
"""


@pytest.mark.parametrize("names, told", [
    (["vmlinuz", "initrd.gz", "two.elf", "disk.img"], []),
    (["vmlinuz", "initrd.gz", "two.elf", "disk.img", "skipped.elf"], []),
    (["vmlinuz", "initrd.img", "two.elf"], [
        ":4: [vm one] initrd = `initrd.gz`: no module of that name was given",
        ":8: [vm two] module = `disk.img`: no module of that name was given",
        "module initrd.img: no VM of "]),
    (["comment", "nothing", "vmlinuz", "initrd.gz", "two.elf", "disk.img"],
     ["module comment: ", "module nothing: "])])
def test_modules_are_compared_with_the_manifest(tmp_path, names, told):
    path = tmp_path / "m.txt"
    path.write_text(MANIFEST, newline="")
    said = manifest.complaints(str(path), names)
    assert len(said) == len(told)
    for line, part in zip(said, told):
        assert part in line and str(path) in line


@pytest.mark.parametrize("data", [None, b"", b"\xff\xfe[\0v\0m\0", b"\xff\xff\xff", b"=\n[\n]\n[vm"])
def test_what_is_no_manifest_is_not_compared(tmp_path, data):
    path = tmp_path / "m.txt"
    if data is not None:
        path.write_bytes(data)
    assert manifest.complaints(str(path), []) == []
    assert manifest.complaints(None, ["a"]) == []
