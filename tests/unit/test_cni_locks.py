"""Who may work at the same time on a node."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from labhelpers.cni.locks import Locks

_SOON = 0.05  # seconds in which somebody who does not have to wait has begun


@pytest.fixture
def locks(tmp_path: Path) -> Locks:
    return Locks(str(tmp_path))


def _begins(work: AbstractContextManager[None]) -> tuple[threading.Thread, threading.Event]:
    began = threading.Event()

    def run() -> None:
        with work:
            began.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, began


def test_different_containers_side_by_side(locks: Locks) -> None:
    with ExitStack() as stack:
        for number in range(20):
            stack.enter_context(locks.container(f"c{number}"))


@pytest.mark.parametrize(
    ("first", "second"),
    [("web", "web"), ("web", ""), ("", "web"), ("", "")],
    ids=["same", "GC after", "GC before", "GC"],
)
def test_who_is_in_the_way_of_whom(locks: Locks, first: str, second: str) -> None:
    """``""`` stands for GC, which works on everything."""
    one, other = (locks.container(name) if name else locks.everything() for name in (first, second))
    with one:
        thread, began = _begins(other)
        assert not began.wait(_SOON)
    assert began.wait(5)
    thread.join()


_KILLED = """
import os, sys
from labhelpers.cni.locks import Locks
with Locks(sys.argv[1]).container("web"):
    print("held", flush=True)
    os.kill(os.getpid(), 9)
"""


def test_a_lock_ends_with_the_process_that_holds_it(locks: Locks, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-9, "held\n")
    with locks.everything():
        pass
