"""The tables in the manual: Markdown between two comments, which a newer report replaces."""

import os
import re

from . import report

BLOCK = re.compile(r"(<!-- bench: (\w+) -->\n).*?(<!-- end of bench -->)", re.DOTALL)


def markdown(directory, name):
    """What the bench of that name left in the directory, as Markdown; None: nothing."""
    found = report.load(directory, name)
    if found:
        return report.markdown(found)
    path = os.path.join(directory, name + ".txt")
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return f"```\n{file.read().rstrip()}\n```\n"


def update(path, directory):
    """Puts what is there into the blocks of the page; returns the names of blocks that stay as they are."""
    kept = []

    def replace(match):
        new = markdown(directory, match[2])
        if new is None:
            kept.append(match[2])
            return match[0]
        return f"{match[1]}\n{new}\n{match[3]}"

    with open(path, encoding="utf-8") as file:
        page = file.read()
    page = BLOCK.sub(replace, page)
    with open(path, "w", encoding="utf-8") as file:
        file.write(page)
    return kept
