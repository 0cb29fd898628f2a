"""The vCPU table beside a flat array and beside one that is copied under RCU, from 1 to 4096 vCPUs."""

import json

from .measure import output_of, processor
from .report import Report, Table

WAYS = ("chunked", "flat", "copied")
FIGURES = {"lookup": "One lookup, ns", "iteration": "One step of an iteration, ns",
           "creation": "Adding one vCPU when all are added in turn, ns", "memory": "Memory, bytes"}


def table(rows, figure):
    """One figure; the number of vCPUs goes across."""
    return Table(["vCPUs", *(row["vcpus"] for row in rows)],
                 [[way, *(row[way][figure] for row in rows)] for way in WAYS], FIGURES[figure])


def take():
    """The report."""
    rows = json.loads(output_of(["build/bench/vcpu_table"]))
    conditions = [
        f"on {processor()}, one thread, the least of several rounds; reading the clock (some 25 ns) is "
        "in the creation of few",
        "chunked: Neap's; flat: 4096 pointers; copied: an array of just enough, copied at each "
        "creation, the old one freed after a grace period of Neap's RCU with no reader",
        "memory: what is asked of the allocator, of the copied array while one is added",
    ]
    return Report("vcpu_table", "The vCPU table", conditions, [table(rows, figure) for figure in FIGURES])
