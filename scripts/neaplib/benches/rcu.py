"""Neap's RCU beside the userspace RCU library's (liburcu-qsbr), in threads of this machine."""

import json

from .measure import output_of, processor
from .report import Report, Table

RUNS = 3
PEERS = {"Neap": "rcu_neap", "liburcu QSBR": "rcu_urcu"}


def take():
    """The report: the least of each figure."""
    figures = {name: {} for name in PEERS}
    for _ in range(RUNS):
        for name, program in PEERS.items():
            for row, value in json.loads(output_of([f"build/bench/{program}"])).items():
                figures[name][row] = min(value, figures[name].get(row, value))
    rows = [[row, *(figures[name][row] for name in PEERS)] for row in figures["Neap"]]
    conditions = [
        f"nanoseconds on {processor()}: the least of {RUNS} runs, of grace periods the least median",
        "a busy machine, and fewer processors than threads, make grace periods long",
    ]
    return Report("rcu", "RCU beside liburcu", conditions, [Table(["ns", *PEERS], rows)])
