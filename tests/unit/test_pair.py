"""Which ends of cables belong together: decided by the namespace's id, never by the number of the interface alone."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from labhelpers.linux.records import Link, Rows
from labhelpers.topology import NamespaceState, pair
from labhelpers.topology.find import Found

HERE, NOWHERE = -1, -2


class Ids:
    """A kernel in which every namespace knows every other by its inode number."""

    asked = 0

    def get(self, socket: object, fd: int) -> int:
        self.asked += 1
        return int(os.path.basename(os.readlink(f"/proc/self/fd/{fd}")))


@pytest.fixture(autouse=True)
def ids(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ids]:
    kernel = Ids()

    class Socket:
        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(pair, "nsid", kernel)
    monkeypatch.setattr(pair, "visit", lambda fd, job: Socket())
    before = set(os.listdir("/proc/self/fd"))
    yield kernel
    assert set(os.listdir("/proc/self/fd")) == before


@pytest.fixture
def places(tmp_path: object) -> Places:
    return Places(str(tmp_path))


class Places:
    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.all: list[pair.Place] = []

    def add(self, name: str, number: int, *ends: tuple[str, int, int, int], kind: str = "veth") -> None:
        """A namespace whose id everywhere is ``number``, with ends (name, index, index of the other end, its id)."""
        path = f"{self.folder}/{number}"
        open(path, "w").close()
        links = Rows(
            Link(end, index, kind, True, "up", "", 1500, peer_index=peer, peer_nsid=nsid)
            for end, index, peer, nsid in ends
        )
        found = Found(os.stat(path).st_ino, path)
        self.all.append((found, NamespaceState(name, "namespace", found.inode, links=links)))

    def cables(self) -> list[str]:
        return [str(cable) for cable in pair.cables(self.all)]


def test_two_ends(places: Places) -> None:
    places.add("a", 1, ("eth0", 2, 7, 2))
    places.add("b", 2, ("eth9", 7, 2, 1))
    assert places.cables() == ["a/eth0 — b/eth9"]


def test_both_ends_in_one_namespace(places: Places) -> None:
    places.add("a", 1, ("d0", 2, 3, HERE), ("d1", 3, 2, HERE))
    assert places.cables() == ["a/d0 — a/d1"]


def test_the_same_numbers_everywhere(places: Places, ids: Ids) -> None:
    """Sixty pods in three groups; every eth0 is number 2, and every node numbers its ends alike."""
    for node in (100, 200, 300):
        ends = [(f"veth-{node}-{pod}", 3 + pod, 2, node + 1 + pod) for pod in range(20)]
        places.add(f"node-{node}", node, *ends)
        for pod in range(20):
            places.add(f"pod-{node}-{pod}", node + 1 + pod, ("eth0", 2, 3 + pod, node))
    wanted = sorted(f"node-{n}/veth-{n}-{pod} — pod-{n}-{pod}/eth0" for n in (100, 200, 300) for pod in range(20))
    assert sorted(places.cables()) == wanted
    assert ids.asked <= 3 * 60, "each node is asked about each pod at most once"


def test_a_lonely_end_is_not_given_a_stranger(places: Places) -> None:
    """Their other ends are in namespaces nobody can see; the numbers fit by accident."""
    places.add("a", 1, ("eth0", 2, 7, 8))
    places.add("b", 2, ("eth0", 7, 2, 9))
    assert places.cables() == []


def test_an_end_whose_other_namespace_is_being_removed_is_not_paired_at_home(places: Places) -> None:
    places.add("a", 1, ("eth0", 2, 7, NOWHERE), ("eth1", 7, 2, 2))
    places.add("b", 2, ("eth0", 2, 7, 1))
    assert places.cables() == ["a/eth1 — b/eth0"]


def test_a_namespace_that_is_gone_meanwhile_has_no_cables(places: Places) -> None:
    places.add("a", 1, ("eth0", 2, 7, 2))
    places.add("b", 2, ("eth0", 7, 2, 1))
    os.unlink(places.all[1][0].path)
    assert places.cables() == []


def test_two_cables_between_the_same_two(places: Places) -> None:
    places.add("a", 1, ("x", 2, 2, 2), ("y", 3, 3, 2))
    places.add("b", 2, ("x", 2, 2, 1), ("y", 3, 3, 1))
    assert places.cables() == ["a/x — b/x", "a/y — b/y"]


def test_other_kinds_are_no_cables(places: Places) -> None:
    """A VLAN interface has a number of another interface too: of the one it sits on."""
    places.add("a", 1, ("eth0.5", 2, 3, HERE), ("eth0.6", 3, 2, HERE), kind="vlan")
    assert places.cables() == []
