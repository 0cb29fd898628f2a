"""scripts/soak, with a program in the place of scripts/run that does what it is told."""

import os
import re
import subprocess

import pytest

SCRIPTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Says what a guest would, into the serial log; the count of its runs is in the file `count`.
FAKE_RUN = """#!/bin/bash
for word; do
	case $word in
	--serial-log=*) log=${word#*=} ;;
	--qemu-log=*) echo odd > "${word#*=}" ;;
	--smp=*) smp=${word#*=} ;;
	--elf=*) torture=1 ;;
	esac
	echo "$word" >> DIR/words
done
echo run >> DIR/count
n=$(wc -l < DIR/count)
printf 'neap-guest# echo "soak $((6 * 7)) on $(nproc)"\\r\\nsoak 42 on %s\\r\\n' "$smp" > "$log"
echo "run: something went wrong" >&2
CASE
exit 0
"""


@pytest.fixture
def soak(tmp_path):
    """Runs scripts/soak; `case` is what the fake run does beyond its usual."""

    def call(*options, case=":"):
        run = tmp_path / "run"
        run.write_text(FAKE_RUN.replace("DIR", str(tmp_path)).replace("CASE", case))
        run.chmod(0o755)
        done = subprocess.run(
            [os.path.join(SCRIPTS, "soak"), "--run", run, "--out", tmp_path / "out", "--torture",
             tmp_path / "torture.elf", "--drift", tmp_path / "drift.elf", "--storm",
             tmp_path / "storm.elf", *options], stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False)
        return done, sorted(os.listdir(tmp_path / "out"))

    return call


def test_all_is_well(soak, tmp_path):
    done, logs = soak("--boots", "3", "--smp", "2", "--", "--firmware=uefi")
    assert done.returncode == 0 and logs == []
    assert re.fullmatch(r"soak: 3 boots with 2 processors, 0 failed; "
                        r"[\d.]+ / [\d.]+ / [\d.]+ s least, median, most\n", done.stdout)
    words = (tmp_path / "words").read_text().split("\n")
    assert words.count("--smp=2") == words.count("--firmware=uefi") == words.count("--no-kvm") == 3


@pytest.mark.parametrize("case, told", [
    ("[ $n = 2 ] && exit 124", "status 124"),
    ("[ $n = 2 ] && echo 'watchdog: BUG: soft lockup' >> $log", "soft lockup"),
    ("[ $n = 2 ] && echo 'neap: error: vm x' >> $log", "neap: error: vm x"),
    ("[ $n = 2 ] && echo 'soak 42 on 3' > $log", "did not say 'soak 42 on 4'"),
    ("[ $n = 2 ] && rm $log", "did not say"),
])
def test_a_failure_is_counted_and_its_log_kept(soak, case, told):
    done, logs = soak("--boots", "3", case=case)
    assert done.returncode == 1
    assert done.stdout.startswith("soak: 3 boots with 4 processors, 1 failed; ")
    assert [name.partition(".")[0] for name in logs] in (["boot-2"] * 2, ["boot-2"])
    line = [line for line in done.stderr.split("\n") if "boot-2 failed" in line][0]
    assert told in line and "something went wrong" in line


def test_all_fail(soak):
    done, logs = soak("--boots", "2", case="exit 1")
    assert done.returncode == 1 and len(logs) == 4
    assert done.stdout == "soak: 2 boots with 4 processors, 2 failed\n"


@pytest.mark.parametrize("case, told, status", [
    (":", "passed", 0), ("[ $torture ] && exit 2", "failed", 1),
    # It lets allocations fail.
    ("[ $torture ] && echo 'neap: error: vm torture7: not started: not enough memory "
     "(its section begins on line 0 of the manifest)' >> $log", "passed", 0),
    ("[ $torture ] && echo 'neap: error: vm torture7: kernel torture-kernel: no memory for the multiboot "
     "information' >> $log", "passed", 0),
    ("[ $torture ] && echo 'neap: error: vm torture7: not started (its section' >> $log", "failed", 1),
    ("[ $torture ] && echo 'neap: error: vm torture7: vCPU 0: triple fault' >> $log", "failed", 1)])
def test_torture_runs_if_it_was_built(soak, tmp_path, case, told, status):
    (tmp_path / "torture.elf").write_bytes(b"")
    done, _ = soak("--boots", "1", "--seconds", "9", case=case)
    assert done.returncode == status
    assert f"1 boots with 4 processors, 0 failed, torture {told};" in done.stdout
    words = (tmp_path / "words").read_text().split("\n")
    assert "--cmdline=torture=9" in words and "--no-manifest" in words


@pytest.mark.parametrize("ppm, told, status", [(100, "passed", 0), (-101, "failed", 1)])
def test_clocks_are_compared(soak, tmp_path, ppm, told, status):
    (tmp_path / "drift.elf").write_bytes(b"")
    done, _ = soak("--boots", "1", "--clock-seconds", "60",
                   case=f"[ $n = 2 ] && echo 'drift: RTC: {ppm} ppm over 61 s' >> $log")
    assert done.returncode == status
    assert f"1 boots with 4 processors, 0 failed, clocks {told};" in done.stdout
    words = (tmp_path / "words").read_text().split("\n")
    assert "--until=^neap: vm drift: .*, status 1," in words and "--timeout=360" in words


@pytest.mark.parametrize("option, value, why", [
    ("--clock-seconds", "1", "1: at least 60, in which 100 ppm show, or 0 for none"),
    ("--clock-seconds", "59", "59: at least 60"), ("--seconds", "-1", "-1: at least 0"),
    ("--boots", "-1", "-1: at least 0"), ("--smp", "0", "0: at least 1"),
    ("--storm-cpus", "0", "0: at least 1"), ("--storm-seconds", "x", "invalid int value: 'x'"),
    ("--clock-seconds", "1.5", "invalid int value: '1.5'")])
def test_what_makes_no_sense_is_refused(soak, tmp_path, option, value, why):
    (tmp_path / "out").mkdir()
    done, _ = soak(f"{option}={value}")
    assert done.returncode == 2 and not (tmp_path / "count").exists()
    assert f"soak: error: argument {option}: {why}" in done.stderr


def test_no_seconds_are_no_run(soak, tmp_path):
    for name in ("torture", "drift", "storm"):
        (tmp_path / f"{name}.elf").write_bytes(b"")
    done, _ = soak("--boots=0", "--seconds=0", "--clock-seconds=0", "--storm-seconds=0")
    assert done.returncode == 0 and not (tmp_path / "count").exists()
    assert done.stdout == "soak: 0 boots with 4 processors, 0 failed\n"


@pytest.mark.parametrize("status, told, whole", [(1, "passed", 0), (3, "failed", 1), (0, "failed", 1)])
def test_storm_runs_in_both_emulators(soak, tmp_path, status, told, whole):
    """Its status is that of a guest's debug-exit port: 1 is good."""
    (tmp_path / "storm.elf").write_bytes(b"")
    done, _ = soak("--boots", "1", "--storm-seconds", "60", case=f"[ $n -gt 1 ] && exit {status}")
    assert done.returncode == whole
    assert f"0 failed, storm in qemu {told}, storm in bochs {told};" in done.stdout
    words = (tmp_path / "words").read_text().split("\n")
    assert words.count("--target=qemu") == 2 and words.count("--target=bochs") == 1
    assert words.count("--no-kvm") == 2
