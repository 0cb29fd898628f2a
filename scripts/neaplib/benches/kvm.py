"""The peer: what the same work costs under KVM. tests/bench/kvm.json says how that was measured."""

import json
import os

from .. import TOP

PATH = os.path.join(TOP, "tests", "bench", "kvm.json")


def load():
    """All of it."""
    with open(PATH, encoding="utf-8") as file:
        return json.load(file)


def tenth(*figures):
    """The goal: a tenth of the least figure that there is, or None."""
    there = [figure for figure in figures if figure is not None]
    return round(min(there) / 10) if there else None
