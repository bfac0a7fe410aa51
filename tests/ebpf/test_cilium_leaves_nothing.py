"""Programs and tables go with their node, or when they are cleaned away."""

from __future__ import annotations

import time

import pytest

from labhelpers.errors import NotFound
from labhelpers.lab import Lab
from labhelpers.linux.bpf import find
from labhelpers.networks.cilium.ebpf import EbpfDatapath
from tests.ebpf.ebpf_lab import ebpf_lab, programs_of

PATIENCE = 60.0  # seconds


def test_nothing_is_left_when_the_nodes_end() -> None:
    with ebpf_lab(False, clean=False) as made:
        programs: set[int] = set()
        maps: set[int] = set()
        for pod in made.pods.values():
            programs |= set(programs_of(pod.node).values())
        for one in programs:
            maps |= set(find.program(one).maps)
        assert len(programs) == 2 + len(made.pods)
        assert len(maps) > 20
    assert eventually_gone(programs, maps) == (set(), set())


def test_clean_takes_everything_away() -> None:
    with ebpf_lab(True) as made:
        pod = next(iter(made.pods.values()))
        programs = set(programs_of(pod.node).values())
        maps = {number for one in programs for number in find.program(one).maps}
        made.on(pod).clean()
        made.on(pod).clean()  # that nothing is there is no error
        assert programs_of(pod.node) == {}
        assert eventually_gone(programs, maps) == (set(), set())
        for ask in (made.on(pod).counters, made.on(pod).tables, made.on(pod).events):
            with pytest.raises(NotFound, match="No eBPF datapath is at work"):
                ask()


def eventually_gone(programs: set[int], maps: set[int]) -> tuple[set[int], set[int]]:
    """Which of these are still loaded, after waiting for the kernel: it frees them a moment later."""
    end = time.monotonic() + PATIENCE
    while True:
        left = programs & set(find.program_ids()), maps & set(find.map_ids())
        if not any(left) or time.monotonic() > end:
            return left
        time.sleep(0.05)


def test_a_lab_of_its_own_has_tables_of_its_own(lab: Lab) -> None:
    with pytest.raises(NotFound, match="No eBPF datapath is at work"):
        EbpfDatapath(lab.node("node-1")).tables()
