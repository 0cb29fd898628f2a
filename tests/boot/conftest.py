"""Fixtures of the boot tests."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import neap  # noqa: E402


# What a test runs on unless it says otherwise: VMX on one processor, whose time is counted in
# instructions; SVM on four, which run truly in parallel. A test's own options win.
# Bochs needs a second of its own to begin with a gigabyte of memory, a fifth with half of it.
TARGETS = {"bochs": {"target": "bochs", "memory": 512}, "qemu": {"target": "qemu", "smp": 4}}
# Without any of these Neap starts without a loader, the quickest way: GRUB takes Bochs seconds.
WAYS_TO_BOOT = ("boot", "firmware", "machine", "net", "efi_loader")


def pytest_generate_tests(metafunc):
    """A test runs on every target, or on the one that its mark `target` names."""
    if "boot_target" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("target")
        metafunc.parametrize("boot_target", marker.args if marker else list(TARGETS), indirect=True)


@pytest.fixture
def boot_target(request):
    """A function that completes a test's options for the target.

    bochs_cpu is the processor's model there; elsewhere it is the default one. Nobody is to wait for
    the last lines on a screen that nobody sees: on QEMU time is real, and Bochs takes a while to skip it.
    """
    def complete(options):
        options = {**TARGETS[request.param], **options}
        bochs_cpu = options.pop("bochs_cpu", None)
        if bochs_cpu and options["target"] == "bochs":
            options["cpu"] = bochs_cpu
        if "linger=" not in options.get("cmdline", ""):
            options["cmdline"] = f"{options.get('cmdline', '')} linger=0".strip()
        if not any(way in options for way in WAYS_TO_BOOT):
            options["boot"] = "kernel"
        return options
    return complete


@pytest.fixture
def run_neap(boot_target):
    """neap.run_neap: boots Neap with the manifest and the modules of the test's choice."""
    return lambda *args, **options: neap.run_neap(*args, **boot_target(options))


@pytest.fixture
def run_guests(boot_target):
    """neap.run_guests: boots Neap with guest programs, from sections of a manifest."""
    return lambda *args, **options: neap.run_guests(*args, **boot_target(options))


@pytest.fixture
def run_stock(boot_target):
    """neap.run_stock: boots Neap with the stock Linux guest."""
    return lambda *args, **options: neap.run_stock(*args, **boot_target(options))


def pytest_configure(config):
    """Declares the marks."""
    config.addinivalue_line("markers", "slow(seconds): about what an idle machine needs")
    config.addinivalue_line("markers", "target(name, ...): the only targets that the test is for")
    config.addinivalue_line("markers", "soak: takes minutes; only with -m soak")


def pytest_collection_modifyitems(config, items):
    """The slowest first: with several at a time (-n 2) none is then left alone at the end."""
    if "soak" not in config.option.markexpr:
        items[:] = [item for item in items if not item.get_closest_marker("soak")]

    def seconds(item):
        marker = item.get_closest_marker("slow")
        return marker.args[0] if marker else 0
    items.sort(key=seconds, reverse=True)


def pytest_sessionstart(session):
    """Says once, and not in every test, that something to boot is missing."""
    missing = [path for path in (neap.NEAP_ELF, neap.STOCK_KERNEL, neap.STOCK_INITRD)
               if not os.path.isfile(path)]
    if missing and not session.config.option.collectonly:
        pytest.exit(f"{', '.join(missing)} not found: run make first", returncode=4)
