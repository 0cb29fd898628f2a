"""Runs benches one after the other, goes on after one that fails, and keeps an index of them."""

import functools
import glob
import json
import os
import subprocess
import sys
import time
import traceback

from .. import TOP
from . import PARTS, report
from .measure import BenchError, commit


def others():
    """{name: program} of the benches that are programs: scripts/bench-NAME --out DIR."""
    return {os.path.basename(path).partition("-")[2].replace("-", "_"): path
            for path in sorted(glob.glob(os.path.join(TOP, "scripts", "bench-*")))}


def run_program(path, directory):
    """One of these: it writes its own NAME.txt and NAME.json, and prints its tables."""
    done = subprocess.run([path, "--out", directory], cwd=TOP, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise BenchError(f"{os.path.basename(path)} ended with status {done.returncode}")


def run_part(name, take, directory):
    """One of PARTS: writes and prints its report."""
    found = take()
    found.commit, found.command = commit(), f"scripts/bench {name}"
    report.write(found, directory)
    print(report.text(found), flush=True)


def jobs(directory, cmdline):
    """{name: what to call} of all benches."""
    calls = {}
    for name, take in PARTS.items():
        if name == "exits":
            take = functools.partial(take, cmdline)
        calls[name] = functools.partial(run_part, name, take, directory)
    for name, path in others().items():
        calls[name] = functools.partial(run_program, path, directory)
    return calls


def names():
    """All benches, in the order in which they run."""
    return [*PARTS, *others()]


def try_one(name, job):
    """Runs one: an entry for the index."""
    start = time.monotonic()
    result = "ok"
    try:
        job()
    except BenchError as error:
        result = str(error)
    except Exception:           # whatever it is, the others still run
        result = traceback.format_exc()
    if result != "ok":
        print(f"bench: {name}: {result}", file=sys.stderr, flush=True)
    return {"result": result, "seconds": round(time.monotonic() - start), "commit": commit()}


def index_lines(index):
    """The index as text: a line for each bench."""
    for name, entry in index.items():
        result = "ok" if entry["result"] == "ok" else "FAILED"
        yield f"{name:12} {result:7} {entry['seconds']:5} s  commit {entry['commit']}"


def write_index(directory, entries):
    """Adds what ran to the index of what ran before."""
    path = os.path.join(directory, "index.json")
    index = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            index = json.load(file)
    index.update(entries)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(index, file, indent=1)
        file.write("\n")
    with open(os.path.join(directory, "index.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(index_lines(index)) + "\n")


def run(wanted, directory, cmdline):
    """Runs them; returns the names of those that failed."""
    os.makedirs(directory, exist_ok=True)
    calls, entries = jobs(directory, cmdline), {}
    for name in wanted:
        print(f"=== {name}", flush=True)
        entries[name] = try_one(name, calls[name])
        write_index(directory, {name: entries[name]})
    print("\n".join(index_lines(entries)), flush=True)
    return [name for name, entry in entries.items() if entry["result"] != "ok"]
