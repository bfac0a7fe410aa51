"""Weave's mesh when its routers end, are told another password or lies, and what it leaves and refuses."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from labhelpers.errors import BadInput
from labhelpers.lab import Lab, Node
from labhelpers.networks import Network, Weave
from labhelpers.networks.route.mesh import Mesh
from labhelpers.networks.weave import daemon
from labhelpers.networks.weave.announcement import Announcement
from labhelpers.networks.weave.settings import FAST, PORT
from tests.netns.data import replay
from tests.netns.everything import Everything
from tests.netns.kernel import eventually, links, shell
from tests.netns.weave import (
    LINE,
    PATIENCE,
    Woven,
    calling,
    is_carried,
    woven,
)


@pytest.fixture
def own_line() -> Iterator[Woven]:
    """node-1 – node-2 – node-3, encrypted."""
    with woven(Weave(links=LINE, password="open sesame")) as made:
        yield made


@pytest.fixture
def own_mesh() -> Iterator[Woven]:
    """All with all, without a password, with the fast way."""
    with woven(Weave(npc=False)) as made:
        yield made


# --- a router dies, another has a wrong password --------------------------------------------------------------------


def test_a_router_that_is_killed_is_noticed_and_started_again(own_line: Woven) -> None:
    os.kill(own_line.pid(2), signal.SIGKILL)
    assert eventually(lambda: not daemon.is_running(own_line.nodes[1]), PATIENCE)
    assert eventually(lambda: not own_line.installed.status().where(node="node-1", peer="node-3")[0].ok, PATIENCE)
    broken = {(leg.node, leg.peer): leg.missing for leg in own_line.installed.status() if not leg.ok}
    assert broken["node-2", "node-1"].startswith("No router answers on node-2")
    assert broken["node-1", "node-3"] == "a way by other peers"
    assert not own_line.pods[0].ping(own_line.pods[2].address, timeout=0.3)
    own_line.mesh.node_added(own_line.nodes[1])
    own_line.installed.wait()
    assert own_line.reaches(1, 3)


def test_a_peer_with_another_password_stays_outside(own_line: Woven) -> None:
    node = own_line.nodes[2]
    settings = daemon.settings_of(node)
    assert settings is not None
    for password, why in (
        ("open sesam", "another password"),
        ("", "one of the two has a password, the other has none"),
    ):
        daemon.stop(node)
        daemon.start(node, type(settings)(settings.name, *_rest(settings, password)))
        assert eventually(lambda why=why: own_line.refused(2, why), PATIENCE)  # type: ignore[misc]
        (leg,) = own_line.installed.status().where(node="node-2", peer="node-3")
        assert not leg.ok
        assert not own_line.pods[0].ping(own_line.pods[2].address, timeout=0.3)
    daemon.stop(node)
    daemon.start(node, settings)
    own_line.installed.wait()
    assert own_line.reaches(1, 3)


def _rest(settings: Any, password: str) -> tuple[Any, ...]:
    return settings.nickname, settings.address, settings.neighbours, password, settings.fast


def test_a_node_that_leaves_is_forgotten_and_can_come_back(own_line: Woven) -> None:
    own_line.mesh.node_removed(own_line.nodes[2])
    assert eventually(lambda: [one["nickname"] for one in own_line.asked(2)["connections"]] == ["node-1"], PATIENCE)
    assert "weave" not in links("node-3")
    own_line.mesh.node_added(own_line.nodes[2])
    own_line.installed.wait()
    assert {one["nickname"] for one in own_line.asked(2)["connections"]} == {"node-1", "node-3"}


# --- liars ----------------------------------------------------------------------------------------------------------


@contextmanager
def _instead_of(mesh: Woven, number: int) -> Iterator[Node]:
    """Somebody else is on this node: its own router is stopped."""
    node = mesh.nodes[number - 1]
    settings = daemon.settings_of(node)
    assert settings is not None
    daemon.stop(node)
    yield node
    daemon.start(node, settings)
    mesh.installed.wait()
    assert mesh.reaches(1, number)


def test_lies_draw_no_packets_and_are_put_right(own_mesh: Woven) -> None:
    first, second, third = (bytes.fromhex(own_mesh.asked(number)["name"].replace(":", "")) for number in (1, 2, 3))
    with _instead_of(own_mesh, 3) as node, calling(node, own_mesh.nodes[0], third, "node-3") as liar:
        liar.greet()
        version = next(one["version"] for one in own_mesh.asked(1)["peers"] if one["nickname"] == "node-2")
        liar.tell(
            Announcement(third, "node-3", 1, 50, {first: True, second: True}),  # half of it is not true
            Announcement(second, "node-2", 1, version + 100, {third: True}),  # it has no other connection
        )
        assert eventually(lambda: _version(own_mesh, 1, "node-2") > version + 100, PATIENCE)  # it was put right
        assert own_mesh.reaches(1, 2)
        (peer,) = [one for one in own_mesh.asked(1)["peers"] if one["nickname"] == "node-2"]
        assert (peer["by"], peer["connected"]) == ("node-2", ["node-1"])


def _version(mesh: Woven, number: int, nickname: str) -> int:
    return next(int(one["version"]) for one in mesh.asked(number)["peers"] if one["nickname"] == nickname)


# --- the fast way ---------------------------------------------------------------------------------------------------


def test_the_kernel_carries_nothing_to_a_node_whose_router_was_killed_until_another_runs(own_mesh: Woven) -> None:
    first, second = own_mesh.pods[:2]
    assert own_mesh.reaches(1, 2)
    assert eventually(lambda: is_carried(first, "node-2") and is_carried(second, "node-1"), PATIENCE)
    os.kill(own_mesh.pid(1), signal.SIGKILL)
    assert eventually(lambda: not daemon.is_running(own_mesh.nodes[0]), PATIENCE)
    assert eventually(lambda: not is_carried(first, "node-2"), PATIENCE)
    assert is_carried(second, "node-1")  # nobody is left to take it away: the next router finds it
    stale = "02:00:00:00:00:77"
    shell(f"bridge fdb replace {stale} dev {FAST} dst 192.168.1.11 self permanent", "node-1")
    own_mesh.mesh.node_added(own_mesh.nodes[0])
    assert eventually(lambda: stale not in shell(f"bridge fdb show dev {FAST}", "node-1"), PATIENCE)
    own_mesh.installed.wait()
    assert own_mesh.reaches(1, 2)
    assert eventually(lambda: is_carried(first, "node-2") and is_carried(second, "node-1"), PATIENCE)


# --- what it leaves, what it refuses --------------------------------------------------------------------------------


def test_it_leaves_nothing_even_if_a_router_cannot_start(lab: Lab) -> None:
    first, second = lab.node("node-1"), lab.node("node-2")
    before = Everything.now(lab, firewall=True)
    with second._kernel.visit(lambda: socket.create_server((second.address, PORT))):
        with pytest.raises(Exception, match="address already in use"):
            Weave().install(lab)
        assert not daemon.is_running(first)
    assert Everything.now(lab, firewall=True) == before


def test_the_script_leads_to_the_same_state(lab: Lab) -> None:
    for number in (1, 2):
        lab.node(f"node-{number}")
    made = Mesh.like_this(fast=False, guarded=True)(lab)
    done = replay.replayed(str(lab.commands()))
    assert done.stderr == ""
    assert done.stdout.endswith(replay.result())  # before it ethtool says what it has changed
    made.clean()


@pytest.mark.parametrize(
    ("make", "to_do"),
    [
        (lambda: Weave(subnet="10.0.0.0/33"), "10.0.0.0/16"),
        (lambda: Weave(links=["node-1"]), "links=[('node-1', 'node-2')"),
        (lambda: Weave(links=[("node-1", "node-1")]), "links=[('node-1', 'node-2')"),
        (lambda: Weave(password=7), "password='…'"),  # type: ignore[arg-type]
        (lambda: Weave(fast="no"), "fast=True"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], Network], to_do: str) -> None:
    with pytest.raises(BadInput) as caught:
        make()
    assert to_do in caught.value.to_do


def test_a_graph_in_pieces_and_a_node_outside_the_subnet_are_refused_before_anything_is_done(lab: Lab) -> None:
    lab.node("node-1"), lab.node("node-2"), lab.node("node-3")
    before = Everything.now(lab, firewall=True)
    with pytest.raises(BadInput, match="no way from node-1 to node-3"):
        Weave(links=LINE[:1]).install(lab)
    with pytest.raises(BadInput, match="outside Weave's one subnet"):
        Weave(subnet="10.0.0.0/23").install(lab)
    assert Everything.now(lab, firewall=True) == before
