"""Every test here runs inside a sandbox and must leave it as it was."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.lab import Lab
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.worker import visit
from tests.netns.cable import Pair, connect, disconnect
from tests.netns.leaks import State, left_behind, remove_what_is_new


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long begin first, then those with many tests: so no worker is left with one in the end."""
    long = {item.path for item in items if item.get_closest_marker("once")}
    tests = Counter(item.path for item in items)
    items.sort(key=lambda item: (item.path not in long, -tests[item.path]))


@pytest.fixture(scope="session")
def _what_lasts() -> None:
    """Start what lives as long as the process: the thread that visits namespaces, and IPython's two for cells."""
    require_sandbox()
    visit(None, lambda: None)
    InteractiveShell.instance().run_cell_magic("bash", "", "true")
    for thread in threading.enumerate():
        if thread.name.startswith("waitpid"):  # asyncio's, which ends with that cell
            thread.join()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(_what_lasts: None) -> Iterator[None]:
    before = State.now()
    yield
    left = left_behind(before)
    if left:
        remove_what_is_new(before)
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two namespaces on a cable, see ``cable.py``."""
    yield connect()
    disconnect()


@pytest.fixture
def lab() -> Iterator[Lab]:
    """An empty lab, which is reset afterwards."""
    lab = Lab()
    yield lab
    lab.reset()
