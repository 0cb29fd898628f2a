"""Guests that misbehave: stopped with a report or kept away from what is not theirs."""

import re

import pytest

from neap import KILLED, OFF, vm

GOOD = vm("good", "hello.elf", cmdline="good")
ENDED = "ended through its debug-exit port"

# What hv/msr.c answers for, and what belongs to the guest, in the guest's local APIC's mode xAPIC.
READABLE_MSRS = [
    (0x10, 0x10),               # TSC
    (0x17, 0x17),               # platform ID
    (0x1b, 0x1b),               # APIC base
    (0x3a, 0x3b),               # feature control, TSC adjust
    (0x8b, 0x8b),               # microcode signature
    (0xce, 0xce),               # platform information
    (0xfe, 0xfe),               # MTRR capabilities
    (0x174, 0x176),             # SYSENTER
    (0x179, 0x17a),             # machine check: capabilities, status
    (0x1a0, 0x1a0),             # miscellaneous enables
    (0x1d9, 0x1d9),             # debug control
    (0x200, 0x20f),             # MTRRs: variable
    (0x250, 0x250), (0x258, 0x259), (0x268, 0x26f),     # fixed
    (0x277, 0x277),             # PAT
    (0x2ff, 0x2ff),             # MTRR default type
    (0x6e0, 0x6e0),             # TSC deadline
    (0xda0, 0xda0),             # XSS
    (0xc0000080, 0xc0000084),   # EFER, STAR, LSTAR, CSTAR, FMASK
    (0xc0000100, 0xc0000103),   # FS, GS, kernel GS base, TSC_AUX
]
# What AMD's processors do not have of these, and what they have beside them (family 0FH).
ONLY_INTEL = [0x17, 0x3a, 0xce, 0x1a0]
ONLY_AMD = [
    (0xc0010000, 0xc0010007),   # performance counters and their events
    (0xc0010010, 0xc0010010), (0xc0010015, 0xc0010015),     # SYSCFG, HWCR
    (0xc001001a, 0xc001001a), (0xc001001d, 0xc001001d),     # top of memory
    (0xc001001f, 0xc0010020),   # NB_CFG, microcode patch
    (0xc0010055, 0xc0010055), (0xc0010058, 0xc0010058),     # interrupt pending, MMIO configuration
    (0xc0010061, 0xc001006b),   # P-states
    (0xc0010114, 0xc0010114),   # VM_CR: SVM is locked off
    (0xc0010140, 0xc0010141),   # OS-visible workarounds
    (0xc0011022, 0xc0011023), (0xc0011029, 0xc001102a),     # DC_CFG, BU_CFG, DE_CFG, BU_CFG2
]

# Ports that answer: 8259s, PIT, keyboard controller, speaker port, RTC, ELCR.
ANSWERING_PORTS = ({0x20, 0x21, 0x40, 0x41, 0x42, 0x43, 0x60, 0x61, 0x70, 0x71, 0xa0, 0xa1,
                    0x4d0, 0x4d1})
ALWAYS_ANSWERING = {0x20, 0x61, 0x71, 0xa0, 0x4d0, 0x4d1}


def report(run, name):
    """The lines of the report about a guest that was stopped, the first one being its headline."""
    errors = run.errors()
    first = [i for i, line in enumerate(errors) if line.startswith(f"vm {name}: vCPU 0: ")]
    assert len(first) == 1, errors
    lines = errors[first[0]:first[0] + 1]
    for line in errors[first[0] + 1:]:
        if not line.startswith("  "):
            break
        lines.append(line)
    return lines


def check_report(lines):
    """All registers, and the last eight VM-exits: it fits a screen of 25 lines."""
    assert re.fullmatch(r"  rip [0-9a-f]{16} rflags [0-9a-f]{8} cpl 0", lines[1])
    names = re.findall(r" (r\w+|cr\d|efer|gdt|idt|[csdt][sr]) +(?:0x)?[0-9a-f]{4,}",
                       "\n".join(lines))
    for register in ("rip rflags rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 "
                     "cr0 cr2 cr3 cr4 efer cs ss ds tr gdt idt").split():
        assert names.count(register) == 1 or register == "rip", register
    heading = lines.index("  last VM-exits, newest last:")
    exits = lines[heading + 1:]
    assert len(exits) == 8
    for line in exits:
        assert re.fullmatch(r"    rip 0x[0-9a-f]{16}  \S.*", line), line
    assert len(lines) <= 24
    assert max(len(line) for line in lines[1:]) <= 110
    return [line.partition("  ")[2].split("  ")[-1] for line in exits]


def expect_first_of_two(run):
    """The status is the first VM's that ended: the bad guest's or, on several processors, GOOD's."""
    assert run.status in (KILLED, 1), run.stderr + run.tail()


def test_triple_fault(run_guests):
    run = run_guests(vm("bad", "triplefault.elf"), GOOD, cmdline="console=all")
    expect_first_of_two(run)
    lines = report(run, "bad")
    assert lines[0] == "vm bad: vCPU 0: triple fault"
    assert check_report(lines)[-1] == "triple fault"
    assert [line for line in lines if re.search("idt 0x0{16} limit 0x0000$", line)]
    assert "triplefault: now\n" in run.text_of("bad", before="vm bad: vCPU 0: triple fault")
    assert "survived" not in run.text_of("bad")
    assert run.end_of("bad") == ("stopped: see the report above", KILLED)
    assert '\ncommand line: "good"\n' in run.text_of("good")
    assert run.end_of("good") == (ENDED, 1)


def test_garbage(run_guests):
    """No code, then pseudo-random bytes: whatever becomes of them, the others go on."""
    seeds = range(1, 9)
    run = run_guests(vm("bad", "garbage.elf"), *(
        vm(f"seed{seed}", "garbage.elf", cmdline=f"garbage.elf {seed}") for seed in seeds), GOOD,
        send=[("^neap: vm (bad|good): .*, status", "")], until="^neap: vm (bad|good): .*, status",
        memory=1024, timeout=300.0)
    run.expect_status(OFF)
    lines = report(run, "bad")
    assert lines[0] == "vm bad: vCPU 0: triple fault"
    assert check_report(lines)[-1] == "triple fault"
    assert run.end_of("bad")[1] == KILLED
    assert run.end_of("good") == (ENDED, 1)


def test_wild_memory(run_guests):
    run = run_guests(vm("wild", "mmiowild.elf"), timeout=300.0)
    run.expect_status(1)
    run.find("^mmiowild: 0 failures$")
    assert run.lines("^mmiowild: ") == ["mmiowild: 0 failures"]
    assert run.end_of("wild") == (ENDED, 1)


@pytest.mark.slow(8)
def test_wild_ports(run_guests):
    run = run_guests(vm("wild", "portwild.elf"), timeout=300.0)
    run.expect_status(1)
    counts = run.find(r"^portwild: not all ones: (\d+) bytes, \d+ words, \d+ longs; 0 failures$")
    answered = set()
    for first, last in re.findall(r"^portwild: not all ones ([0-9a-f]{4})-([0-9a-f]{4})$", run.log,
                                  re.MULTILINE):
        answered |= set(range(int(first, 16), int(last, 16) + 1))
    assert len(answered) == int(counts[1])
    assert ALWAYS_ANSWERING <= answered <= ANSWERING_PORTS
    assert run.errors() == []
    assert run.end_of("wild") == (ENDED, 1)


def registers(ranges):
    """The numbers in a list of first and last."""
    return [msr for first, last in ranges for msr in range(first, last + 1)]


def test_wild_msrs(run_guests):
    run = run_guests(vm("wild", "msrwild.elf"), timeout=300.0)
    run.expect_status(1)
    readable = [(int(first, 16), int(last, 16)) for first, last in re.findall(
        r"^msrwild: readable ([0-9a-f]{8})-([0-9a-f]{8})$", run.log, re.MULTILINE)]
    expected = set(registers(READABLE_MSRS))
    if "AuthenticAMD" in run.log:
        expected = expected - set(ONLY_INTEL) | set(registers(ONLY_AMD))
    assert set(registers(readable)) == expected
    count = len(expected)
    run.find(f"^msrwild: {count} readable, 0 wrong exceptions$")
    assert run.errors() == []


def test_execution_where_nothing_is(run_guests):
    """All ones are no instruction: the guest gets its #UD, or is stopped with the reason."""
    run = run_guests(vm("wild", "execmmio.elf"), GOOD, cmdline="console=all")
    assert "execmmio: jumping to 0xd0000000" in run.text_of("wild")
    if run.end_of("wild")[1] == KILLED:
        expect_first_of_two(run)
        lines = report(run, "wild")
        assert "0xd0000000" in lines[0]
        assert check_report(lines)[-1] in ("EPT violation", "nested page fault")
    else:
        run.expect_status((102 << 1 | 1) & 0xff)
        assert "exception 6" in run.text_of("wild")
    assert run.end_of("good") == (ENDED, 1)


def test_interrupts_off_for_ever(run_guests):
    """A guest that spins with interrupts off shares its processor with one that has work to do."""
    either = "^spin[:+] .*g|^neap: vm good: .*, status 1"
    run = run_guests(vm("spin", "spin.elf"), vm("wild", "msrwild.elf"), GOOD, cmdline="console=all",
                     send=[(either, "")], until=either, timeout=300.0)
    run.expect_status(OFF)
    assert "spin: interrupts off, looping" in run.text_of("spin")
    assert run.end_of("good") == (ENDED, 1)
    assert not run.has_ended("spin")
    assert run.errors() == []


def test_early_ipi(run_guests):
    """A vCPU sends IPIs to, and ends, a VM whose last vCPUs Neap has not started yet.

    The manager starts them on the first processor; the one before makes this vCPU run on the second.
    """
    run = run_guests(GOOD, vm("early", "earlyipi.elf", cpus=1000), smp=2, timeout=300.0)
    assert not run.lines("panic")
    assert run.end_of("early") == (ENDED, 1)
    assert run.end_of("good") == (ENDED, 1)


@pytest.mark.slow(20)
def test_spin_is_left_at_time_out(run_guests):
    """Nothing ends such a guest but the time-out, which does; the other one has ended long before."""
    run = run_guests(vm("spin", "spin.elf"), GOOD, cmdline="console=all", timeout=20.0)
    run.expect_status(124)
    assert "time-out" in run.stderr
    assert "spin: interrupts off, looping" in run.text_of("spin")
    assert run.end_of("good") == (ENDED, 1)
