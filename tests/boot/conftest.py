"""Fixtures of the boot tests."""

import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import neap  # noqa: E402


@pytest.fixture
def run_neap():
    """neap.run_neap: boots Neap with the manifest and the modules of the test's choice."""
    return neap.run_neap


@pytest.fixture
def run_guests():
    """neap.run_guests: boots Neap with guest programs, from sections of a manifest."""
    return neap.run_guests


@pytest.fixture
def run_stock():
    """neap.run_stock: boots Neap with the stock Linux guest."""
    return neap.run_stock


def pytest_configure(config):
    """Declares the marker that says about how many seconds a test takes."""
    config.addinivalue_line("markers", "slow(seconds): about what an idle machine needs")


def pytest_collection_modifyitems(items):
    """The slowest first: with several at a time (-n 2) none is then left alone at the end."""
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
