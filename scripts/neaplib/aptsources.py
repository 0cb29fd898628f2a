#!/usr/bin/python3
"""Prints apt sources, binaries and source packages both, derived from the machine's own.

Only entries for the Debian release that the machine runs are taken; a third party's may have no
source packages at all, and nothing of theirs is wanted. Both formats are read: one-line entries of
sources.list, and the stanzas of *.sources. The output is in the latter.
"""

import glob
import re
import sys

LIST_ENTRY = re.compile(r"deb(?:-src)?\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<rest>.+)")
# Options of a one-line entry that must live on, by the name of the stanza's field.
OPTION_FIELDS = {"signed-by": "Signed-By", "trusted": "Trusted"}


def release_codename(path="/etc/os-release"):
    """The codename in os-release, such as bookworm."""
    with open(path, encoding="utf-8") as file:
        match = re.search(r'^VERSION_CODENAME="?([\w-]+)', file.read(), re.MULTILINE)
    if not match:
        raise SystemExit(f"{path} names no release")
    return match.group(1)


def parse_list(text):
    """Stanzas (dictionaries) of a file in the one-line format."""
    for line in text.splitlines():
        match = LIST_ENTRY.fullmatch(line.split("#")[0].strip())
        if not match:
            continue
        uri, suite, *components = match["rest"].split()
        stanza = {"URIs": uri, "Suites": suite, "Components": " ".join(components)}
        for option in (match["options"] or "").split():
            name, _, value = option.partition("=")
            if name.lower() in OPTION_FIELDS:
                stanza[OPTION_FIELDS[name.lower()]] = value
        yield stanza


def parse_sources(text):
    """Stanzas of a file in the deb822 format; lines that continue a field are kept with it."""
    for block in re.split(r"\n\s*\n", text):
        stanza, field = {}, None
        for line in block.splitlines():
            if line.startswith("#"):
                continue
            if line[:1].isspace() and field:
                stanza[field] += "\n" + line
                continue
            name, colon, value = line.partition(":")
            if colon:
                field = name.strip()
                stanza[field] = value.strip()
        if stanza.get("Enabled", "yes").lower() not in ("no", "false", "0") and "URIs" in stanza:
            yield stanza


def machine_stanzas(root="/etc/apt"):
    """All stanzas that apt itself would read."""
    for path in sorted(glob.glob(f"{root}/sources.list") + glob.glob(f"{root}/sources.list.d/*.list")):
        with open(path, encoding="utf-8") as file:
            yield from parse_list(file.read())
    for path in sorted(glob.glob(f"{root}/sources.list.d/*.sources")):
        with open(path, encoding="utf-8") as file:
            yield from parse_sources(file.read())


def wanted(stanza, codename):
    """The suites of `stanza` that belong to the release, if it has Debian's main component."""
    if "main" not in stanza.get("Components", "").split():
        return []
    names = (codename, f"{codename}-updates", f"{codename}-security", f"{codename}/updates")
    return [suite for suite in stanza.get("Suites", "").split() if suite in names]


def main():
    codename = release_codename()
    seen = set()
    for stanza in machine_stanzas():
        suites = [s for s in wanted(stanza, codename) if (stanza["URIs"], s) not in seen]
        if not suites:
            continue
        seen.update((stanza["URIs"], suite) for suite in suites)
        fields = {"Types": "deb deb-src", "URIs": stanza["URIs"], "Suites": " ".join(suites),
                  "Components": "main"}
        fields.update({name: stanza[name] for name in ("Signed-By", "Trusted") if name in stanza})
        print("\n".join(f"{name}: {value}" for name, value in fields.items()) + "\n")
    if not seen:
        sys.exit(f"no apt source for {codename} was found")


if __name__ == "__main__":
    main()
