"""What a bench found: tables of rows, and how they look as JSON, as text and as Markdown."""

import json
import os
from dataclasses import asdict, dataclass, field


@dataclass
class Table:
    """Rows of cells: numbers, texts, None where there is nothing. The first column names the row."""

    heads: list
    rows: list
    title: str = ""
    notes: list = field(default_factory=list)


@dataclass
class Report:
    """All tables of one bench, and under which conditions they hold."""

    name: str
    title: str
    conditions: list
    tables: list
    commit: str = ""
    command: str = ""

    def conditions_lines(self):
        """A line each: what was measured, how, and how to do it again."""
        return [*self.conditions, f"commit {self.commit}; {self.command}"]


def cell(value):
    """One cell as text."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 1000 else f"{value:.0f}"
    return str(value)


def text_table(table):
    """The table in columns: the first to the left, numbers to the right."""
    grid = [[cell(value) for value in row] for row in [table.heads, *table.rows]]
    widths = [max(len(row[i]) for row in grid) for i in range(len(table.heads))]
    if table.title:
        yield table.title
    for row in grid:
        first, *rest = (text.ljust(width) if i == 0 else text.rjust(width)
                        for i, (text, width) in enumerate(zip(row, widths)))
        yield "  ".join([first, *rest]).rstrip()
    yield from table.notes


def text(report):
    """The whole report for a terminal."""
    lines = [report.title, *(f"  {line}" for line in report.conditions_lines())]
    for table in report.tables:
        lines += ["", *text_table(table)]
    return "\n".join(lines) + "\n"


def markdown_table(table):
    """The same for the manual."""
    if table.title:
        yield from (f"{table.title}:", "")
    yield "| " + " | ".join(map(cell, table.heads)) + " |"
    yield "|" + "---|" * len(table.heads)
    for row in table.rows:
        yield "| " + " | ".join("" if value is None else cell(value) for value in row) + " |"
    if table.notes:
        yield from ("", *table.notes)


def markdown(report):
    """All tables of the report, then their conditions, without a heading."""
    lines = []
    for table in report.tables:
        lines += [*markdown_table(table), ""]
    lines += [f"- {line}" for line in [*report.conditions, f"commit {report.commit}; `{report.command}`"]]
    return "\n".join(lines) + "\n"


def write(report, directory):
    """NAME.txt and NAME.json."""
    with open(os.path.join(directory, report.name + ".json"), "w", encoding="utf-8") as file:
        json.dump(asdict(report), file, indent=1)
        file.write("\n")
    with open(os.path.join(directory, report.name + ".txt"), "w", encoding="utf-8") as file:
        file.write(text(report))


def load(directory, name):
    """The report that write() left there; None: there is none, or it is no report of this kind."""
    try:
        with open(os.path.join(directory, name + ".json"), encoding="utf-8") as file:
            data = json.load(file)
    except FileNotFoundError:
        return None
    if not isinstance(data, dict) or "tables" not in data:
        return None
    data["tables"] = [Table(**table) for table in data["tables"]]
    return Report(**data)
