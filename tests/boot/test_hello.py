"""What a guest is given: command line, memory, modules, processor, exit status."""

import zlib

import pytest

from neap import OFF, guest_program, vm

ENDED = "ended through its debug-exit port"


def crc(data):
    return f"{zlib.crc32(data[:4096]):08x}"


def test_command_line_and_memory(run_guests):
    run = run_guests(vm("hello", "hello.elf", cmdline='hello.elf  one "two  three" #4'))
    run.expect_status(1)
    run.find('^command line: "hello.elf  one "two  three" #4"$')
    assert [line.split(": ")[1] for line in run.lines(r"^argv\[")] == [
        '"hello.elf"', '"one"', '""two"', '"three""', '"#4"']
    assert run.lines("^memory: 0[0-9a-f]{11}-") == [
        "memory: 000000000000-00000009fbff available",
        "memory: 00000009fc00-00000009ffff reserved",
        "memory: 0000000e0000-0000000fffff reserved",
        "memory: 000000100000-000003efffff available",
        "memory: 000003f00000-000003ffffff ACPI"]
    run.find("^modules: 0$")
    run.find('^hypervisor: "NeapNeapNeap", highest leaf 40000010$')
    run.find('^processor: "(GenuineIntel|AuthenticAMD)", highest leaf ')
    run.find("^neap: vm hello: 1 vCPU, 64 MiB, kernel hello.elf$")
    assert run.end_of("hello") == (ENDED, 1)
    assert run.errors() == []
    assert run.log.index("hypervisor:") < run.log.index("vm hello: ended")
    assert run.log.rstrip("\n").endswith("neap: no virtual machine is left\nneap: exit status 1")


def test_small_memory(run_guests):
    """Below 16 MiB the ACPI tables are below 1 MiB; a quoted command line loses its quotes."""
    run = run_guests(vm("small", "hello.elf", "4M", cmdline='" a "'), cmdline="linger=1")
    run.expect_status(1)
    run.find('^command line: " a "$')
    assert run.lines("^memory: 0[0-9a-f]{11}-")[-1] == "memory: 000000100000-0000003fffff available"
    assert len(run.lines("^memory: .* ACPI$")) <= 1


def test_modules(run_guests):
    """Eight, the most there may be; each at a page, complete, with its string."""
    with open(guest_program("hello.elf"), "rb") as file:
        hello = file.read()
    modules = {"one": b"1", "page": bytes(range(256)) * 16, "more": bytes(range(255)) * 17,
               "empty-name.img": b"x" * 100}
    given = ["one the string of one", "page", "more  two  blanks # and no comment",
             'empty-name.img "quoted "', "hello.elf the kernel itself", "one again",
             "page " + 1023 * "s", "more last"]
    run = run_guests(vm("hello", "hello.elf", module=given), modules=modules)
    run.expect_status(1)
    run.find("^modules: 8$")
    modules["hello.elf"] = hello
    strings = ["the string of one", "page", "two  blanks # and no comment", "quoted ",
               "the kernel itself", "again", 1023 * "s", "last"]
    lines = run.lines("^module: ")
    assert len(lines) == 8
    at = 0x100000
    for line, text, string in zip(lines, given, strings):
        data = modules[text.split()[0]]
        head, _, tail = line.removeprefix(f'module: "{string}" at ').partition(", ")
        assert tail == (f"{len(data)} bytes, crc32 of the first {min(len(data), 4096)} "
                        f"{crc(data)}"), line[:80]
        assert int(head, 16) % 4096 == 0 and int(head, 16) > at
        at = int(head, 16)


def test_exit_status(run_guests):
    """A guest's exit(N) is (N << 1) | 1; the first status that is not 0 is the machine's."""
    run = run_guests(vm("three", "execmmio.elf", cmdline="execmmio.elf 0x100000"))
    run.expect_status(3)
    run.find("^execmmio: 0x100000 is RAM$")
    assert run.end_of("three") == (ENDED, 3)


def test_four_processors(run_guests):
    # The exit status would come ten seconds later, which are minutes with idle processors on Bochs.
    run = run_guests(vm("hello", "hello.elf", cpus=4), vm("other", "hello.elf"), smp=4,
                     until="^neap: no virtual machine is left")
    run.expect_status(OFF)
    run.find("^neap: smp: 4 of 4 processors run$")
    run.find("^neap: acpi: 4 processors ")
    run.find("^neap: vm hello: 4 vCPUs, 64 MiB, kernel hello.elf$")
    assert run.end_of("hello") == (ENDED, 1)
    assert run.end_of("other") == (ENDED, 1)


@pytest.mark.slow(10)
def test_most_machines(run_guests):
    """32 machines run; a 33rd is refused, and no other suffers."""
    names = [f"vm{i:02}" for i in range(33)]
    run = run_guests(*(vm(name, "hello.elf", "16M", cmdline=name) for name in names), memory=1024,
                     cmdline="console=all", timeout=600.0)
    run.expect_status(4)
    assert run.errors() == ["manifest:129: [vm vm32] one VM too many; expected at most 32"]
    for name in names[:32]:
        assert f'\ncommand line: "{name}"\n' in run.text_of(name)
        assert run.end_of(name) == (ENDED, 1)
    assert not run.has_ended("vm32")


def test_devices_left_out(run_guests):
    """Without a serial port nothing is printed; without debug-exit the guest cannot end."""
    any_order = "^hypervisor:|^neap: vm echo: starts|^neap: vm dumb: .*, status"
    run = run_guests(vm("dumb", "hello.elf", uart="off"),
                     vm("endless", "hello.elf", debug_exit="off", cmdline="endless"),
                     vm("echo", "uartecho.elf"),
                     send=[(any_order, ""), (any_order, ""), (any_order, "\x1c3"),
                           ("uartecho: ready", "quit\n")],
                     until="^neap: vm echo: .*, status 1")
    run.expect_status(OFF)
    assert run.guest_text().count("command line:") == 1
    assert 'command line: "endless"argv' in run.guest_text()
    assert run.end_of("dumb") == (ENDED, 1)
    assert not run.has_ended("endless")
    assert run.errors() == []
