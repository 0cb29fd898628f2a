"""What a manifest asks for, as far as the modules that are given with it can be compared.

Neap itself reads the manifest, says what is wrong with it, and starts the machines that it can. What
can be known here is known before anything is written or booted.
"""

import re
from collections import namedtuple

SECTION = re.compile(r"\[vm[ \t]+([A-Za-z0-9._-]{1,31})[ \t]*\][ \t]*(?:#.*)?")
MODULE_KEYS = ("kernel", "initrd", "module")

# A module that is asked for: line of the text, VM ("" outside of any), key, and the module's name.
Wanted = namedtuple("Wanted", "line vm key name")


def wanted_modules(text):
    """A Wanted for each module that a line of the text names, in their order."""
    vm = ""
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        line = line.strip(" \t\r")
        section = SECTION.fullmatch(line)
        if section or line.startswith("["):
            vm = section[1] if section else ""
            continue
        key, _, value = line.partition("=")
        key, words = key.strip(" \t"), re.findall(r"[^ \t]+", value)
        if key in MODULE_KEYS and words and not words[0].startswith("#"):
            yield Wanted(number, vm, key, words[0])


def _read(path):
    """The text; nothing of what is no manifest at all: to say so is Neap's part, or the caller's."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError:
        return None
    return None if b"\0" in data else data.decode("utf-8", "replace")


def complaints(path, names):
    """Sentences on what the manifest `path` names and no module of these `names` is, and the reverse."""
    text = path and _read(path)
    if text is None:
        return []
    wanted = list(wanted_modules(text))
    missing = [f"{path}:{want.line}: [vm {want.vm}] {want.key} = `{want.name}`: no module of that name "
               "was given" for want in wanted if want.vm and want.name not in [*names, "manifest"]]
    asked_for = [want.name for want in wanted]
    idle = [f"module {name}: no VM of {path} names it" for name in names if name not in asked_for]
    return missing + idle
