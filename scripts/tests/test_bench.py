"""scripts/bench: its reports, its index, and that one bench that fails does not stop the others."""

import json

import pytest

from neaplib.benches import exits, kvm, manual, report, runner
from neaplib.benches.measure import BenchError, medians
from neaplib.benches.report import Report, Table

TABLE = Table(["operation", "ns", "slots"], [["lookup", 1.25, 10], ["a longer name", None, 32764]], "Times",
              ["A note."])


def made(name="made"):
    return Report(name, "A title", ["nanoseconds"], [TABLE])


@pytest.fixture
def parts(monkeypatch):
    """Puts benches in the place of the real ones."""

    def put(**takes):
        monkeypatch.setattr(runner, "PARTS", takes)
        monkeypatch.setattr(runner, "others", lambda: {})
        monkeypatch.setattr(runner, "commit", lambda: "1234abc")

    return put


def test_text_is_in_columns():
    assert report.text(made()).splitlines()[-5:] == [
        "Times", "operation        ns  slots", "lookup         1.25     10", "a longer name     -  32764",
        "A note."]


def test_markdown():
    lines = report.markdown(made()).splitlines()
    assert lines[-2:] == ["- nanoseconds", "- commit ; ``"]
    assert lines[2:6] == ["| operation | ns | slots |", "|---|---|---|", "| lookup | 1.25 | 10 |",
                          "| a longer name |  | 32764 |"]


@pytest.mark.parametrize("value, text", [(None, "-"), (0.324, "0.32"), (10.04, "10.0"), (1234.5, "1234"),
                                         (7, "7"), ("x", "x")])
def test_cells(value, text):
    assert report.cell(value) == text


def test_what_is_written_is_loaded(tmp_path):
    report.write(made(), tmp_path)
    assert report.load(tmp_path, "made") == made()
    assert report.load(tmp_path, "other") is None
    (tmp_path / "foreign.json").write_text('[{"rows": 1}]')
    assert report.load(tmp_path, "foreign") is None


def test_medians():
    text = "x\nbench: cpuid 90 105\nbench: ipi-halted skipped\nbench: cut"
    assert medians(text) == {"cpuid": 105, "ipi-halted": None}


def test_the_goal_is_a_tenth_of_the_least():
    assert kvm.tenth(1076, 980, None) == 98
    assert kvm.tenth(None, None) is None


def test_every_peer_has_figures():
    data = kvm.load()
    assert data["exits"]["cpuid"] == {"vmx": 1076, "vmx_off": 980, "svm": 2841}
    assert all(row for row in data["exits"].values())
    assert {row["vcpus"] for row in data["hyperv"]} == {2, 8, 64, 1024}


def test_rows_above_the_goal_are_named():
    columns = {"vmx": {"cpuid": 99, "wbinvd": 87}, "svm": {"cpuid": 140}, "svm-qemu": {}}
    table = exits.table(columns, kvm.load()["exits"])
    assert table.rows[0] == ["cpuid", 99, 140, None, 1076, 980, 2841, 98, 284]
    assert table.notes == ["Above a tenth of KVM's on VMX: cpuid (99, 98)."]


def test_the_others_run_after_one_that_fails(parts, tmp_path, capfd):
    def fail():
        raise BenchError("no such emulator")

    def stumble():
        return {}["nothing"]

    parts(first=fail, second=stumble, made=made)
    assert runner.run(["first", "second", "made"], tmp_path, "") == ["first", "second"]
    out, err = capfd.readouterr()
    assert "bench: first: no such emulator" in err and "KeyError" in err
    assert out.splitlines()[-3:] == ["first        FAILED      0 s  commit 1234abc",
                                     "second       FAILED      0 s  commit 1234abc",
                                     "made         ok          0 s  commit 1234abc"]
    assert report.load(tmp_path, "made").commit == "1234abc"
    assert json.loads((tmp_path / "index.json").read_text())["made"]["result"] == "ok"
    assert not (tmp_path / "first.json").exists()


def test_the_index_keeps_what_ran_before(parts, tmp_path):
    parts(one=lambda: made("one"), two=lambda: made("two"))
    assert runner.run(["one"], tmp_path, "") == []
    assert runner.run(["two"], tmp_path, "") == []
    assert list(json.loads((tmp_path / "index.json").read_text())) == ["one", "two"]
    assert len((tmp_path / "index.txt").read_text().splitlines()) == 2


def test_a_program_is_a_bench(tmp_path):
    program = tmp_path / "bench-x"
    program.write_text("#!/bin/sh\necho table > $2/x.txt\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(BenchError, match="bench-x ended with status 3"):
        runner.run_program(str(program), str(tmp_path))
    assert manual.markdown(tmp_path, "x") == "```\ntable\n```\n"


def test_the_manual_is_updated(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("Before\n<!-- bench: made -->\nold\n<!-- end of bench -->\n"
                    "<!-- bench: missing -->\nkept\n<!-- end of bench -->\nAfter\n")
    report.write(made(), tmp_path)
    assert manual.update(page, tmp_path) == ["missing"]
    text = page.read_text()
    assert "old" not in text and "kept" in text and "| lookup | 1.25 | 10 |" in text
    assert text.startswith("Before\n") and text.endswith("After\n")
    manual.update(page, tmp_path)
    assert page.read_text() == text
