"""Every test here needs a root that may load eBPF programs, runs inside a sandbox and must leave it as it was."""

from __future__ import annotations

import os
from functools import cache

import pytest

from labhelpers.linux import bpf
from tests.netns.conftest import _leaves_nothing_behind, _what_lasts, lab

__all__ = ["_leaves_nothing_behind", "_what_lasts", "lab"]


@cache
def _may_load() -> bool:
    try:
        os.close(bpf.load())
    except OSError:
        return False
    return True


@pytest.fixture(autouse=True, scope="session")
def _needs_ebpf() -> None:
    if not _may_load():
        pytest.skip("needs a root that may load eBPF programs")
