"""The difference of two snapshots: everything that differs, nothing that does not, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows, Rule
from labhelpers.topology import Cable, Change, End, NamespaceState, Snapshot, diff, normalised

ETH0 = Link("eth0", 2, "veth", True, "up", "0a:58:0a:00:01:0a", 1500, addresses=("10.0.1.10/24",))
ROUTE = Route("default", "10.0.1.1", "eth0")
NEIGHBOUR = Neighbour("10.0.1.1", "eth0", "02:00:00:00:00:01", "reachable")
AT = "10.0.1.1 dev eth0 is at 02:00:00:00:00:01"
ENTRY = FdbEntry("02:00:00:00:00:01", "veth-a", "cni0")
RULE = Rule(100, "from all", "7")
RULES = "table ip demo {\n\tchain input {\n\t\tdrop\n\t}\n}"
POD = NamespaceState(
    "pod-a",
    "pod",
    inode=7,
    cookie=70,
    links=Rows((ETH0,)),
    routes=Rows((ROUTE,)),
    neighbours=Rows((NEIGHBOUR,)),
    fdb=Rows((ENTRY,)),
    rules=Rows((RULE,)),
    firewall=RULES,
)


def _lines(before: NamespaceState, after: NamespaceState) -> list[str]:
    return str(diff(Snapshot((before,)), Snapshot((after,)))).splitlines()


def test_nothing() -> None:
    changes = diff(Snapshot((POD,)), Snapshot((POD,)))
    assert changes == ()
    assert str(changes) == "nothing changed"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"links": Rows((replace(ETH0, up=False, state="down"),))}, "~ pod-a: link eth0: up yes → no, state up → down"),
        ({"links": Rows((replace(ETH0, mtu=1400),))}, "~ pod-a: link eth0: mtu 1500 → 1400"),
        ({"links": Rows((replace(ETH0, mac="02::9"),))}, "~ pod-a: link eth0: mac 0a:58:0a:00:01:0a → 02::9"),
        ({"links": Rows((replace(ETH0, master="br0"),))}, "~ pod-a: link eth0: master none → br0"),
        ({"links": Rows((replace(ETH0, alias="mine"),))}, "~ pod-a: link eth0: alias none → mine"),
        ({"links": Rows((replace(ETH0, name="net1"),))}, "~ pod-a: link net1: name eth0 → net1"),
        ({"routes": Rows(())}, "- pod-a: route default via 10.0.1.1 dev eth0"),
        ({"routes": Rows((ROUTE, Route("10.1.0.0/16", device="eth0")))}, "+ pod-a: route 10.1.0.0/16 dev eth0"),
        (
            {"neighbours": Rows((replace(NEIGHBOUR, state="stale"),))},
            f"~ pod-a: neighbour {AT}: state reachable → stale",
        ),
        ({"neighbours": Rows(())}, f"- pod-a: neighbour {AT}"),
        ({"fdb": Rows(())}, "- pod-a: fdb 02:00:00:00:00:01 behind veth-a (learned)"),
        ({"rules": Rows((RULE, Rule(5, "from 10.0.0.0/8", "8")))}, "+ pod-a: rule 5: from 10.0.0.0/8"),
        ({"firewall": RULES.replace("drop", "accept")}, "- pod-a: firewall drop"),
        ({"firewall": RULES.replace("drop", "drop\n\t\tdrop")}, "+ pod-a: firewall drop"),
        ({"name": "web"}, "~ namespace web: name pod-a → web"),
        ({"role": "unknown"}, "~ namespace pod-a: role pod → unknown"),
        ({"owner": "cni"}, "~ namespace pod-a: owner none → cni"),
        ({"node": "node-2"}, "~ namespace pod-a: node none → node-2"),
    ],
)
def test_each_kind_of_change_is_a_line(change: dict[str, Any], line: str) -> None:
    lines = _lines(POD, replace(POD, **change))
    assert line in lines


def test_an_address_moves_with_two_lines() -> None:
    after = replace(POD, links=Rows((replace(ETH0, addresses=("10.0.1.11/24",)),)))
    assert _lines(POD, after) == ["- pod-a: address 10.0.1.10/24 on eth0", "+ pod-a: address 10.0.1.11/24 on eth0"]


def test_a_namespace_comes_with_all_it_has_and_goes_as_a_whole() -> None:
    came = str(diff(Snapshot(), Snapshot((POD,)))).splitlines()
    assert came[0] == "+ namespace pod-a"
    assert {line.split(": ")[1].split()[0] for line in came[1:]} == {
        *("link", "address", "route", "neighbour", "fdb", "rule", "firewall"),
    }
    assert str(diff(Snapshot((POD,)), Snapshot())) == "- namespace pod-a"


def test_a_namespace_is_the_same_whatever_it_is_called() -> None:
    assert diff(Snapshot((POD,)), Snapshot((replace(POD, name="web"),)))[0].kind == "namespace"


def test_a_new_namespace_that_got_an_old_inode_number_is_new() -> None:
    new = NamespaceState("pod-b", "pod", inode=POD.inode, cookie=71)
    lines = str(diff(Snapshot((POD,)), Snapshot((new,)))).splitlines()
    assert lines == ["- namespace pod-a", "+ namespace pod-b"]


def test_cables_come_and_go() -> None:
    one, two = Cable(End("a", "eth0"), End("b", "eth0")), Cable(End("a", "eth1"), End("c", "eth0"))
    changes = diff(Snapshot((), (one,)), Snapshot((), (two,)))
    assert str(changes) == "- cable a/eth0 — b/eth0\n+ cable a/eth1 — c/eth0"


def test_rules_nobody_asked_for_are_no_change() -> None:
    assert diff(Snapshot((replace(POD, firewall=None),)), Snapshot((POD,))) == ()


def test_changes_are_chosen_by_kind() -> None:
    after = replace(POD, routes=Rows(()), links=Rows((replace(ETH0, addresses=()),)))
    changes = diff(Snapshot((POD,)), Snapshot((after,)))
    assert [change.kind for change in changes.about("route")] == ["route"]
    assert [change.kind for change in changes.about("route", "address")] == ["address", "route"]
    assert isinstance(changes.about("route")[0], Change)
    assert changes.about("route")[0].before == ROUTE


MACS = st.sampled_from(["02:00:00:00:00:01", "02:00:00:00:00:02"])
LINKS = st.builds(
    Link,
    name=st.sampled_from(["eth0", "eth1"]),
    index=st.integers(2, 3),
    kind=st.sampled_from(["veth", "bridge"]),
    up=st.booleans(),
    state=st.sampled_from(["up", "down"]),
    mac=MACS,
    mtu=st.sampled_from([1500, 1400]),
    addresses=st.lists(st.sampled_from(["10.0.0.1/24", "10.0.0.2/24"]), unique=True).map(tuple),
)
STATES = st.builds(
    NamespaceState,
    name=st.sampled_from(["a", "b"]),
    role=st.just("pod"),
    inode=st.integers(1, 3),
    links=st.lists(LINKS, unique_by=lambda link: link.index, max_size=2).map(Rows),
    routes=st.lists(st.builds(Route, st.sampled_from(["default", "10.0.0.0/8"]), device=MACS), unique=True).map(Rows),
    fdb=st.lists(st.builds(FdbEntry, MACS, st.sampled_from(["a", "b"])), unique=True).map(Rows),
    firewall=st.sampled_from(["", "one", "one\none", "two\none"]),
)
SNAPSHOTS = st.lists(STATES, unique_by=lambda state: state.inode, max_size=3).map(lambda all: Snapshot(tuple(all)))


@given(SNAPSHOTS)
def test_a_snapshot_does_not_differ_from_itself(snapshot: Snapshot) -> None:
    assert diff(snapshot, snapshot) == ()


@given(SNAPSHOTS, SNAPSHOTS)
def test_there_is_a_difference_exactly_where_one_can_be_seen(a: Snapshot, b: Snapshot) -> None:
    """Order is none: the kernel lists things as it likes."""
    assert bool(diff(a, b)) == (_canonical(a) != _canonical(b))
    assert bool(diff(a, b)) == bool(diff(b, a))


def _canonical(snapshot: Snapshot) -> dict[int, Any]:
    return {
        state.inode: (
            state.name,
            {replace(link, addresses=tuple(sorted(link.addresses))) for link in state.links},
            set(state.routes),
            set(state.fdb),
            state.firewall,
        )
        for state in snapshot
    }


def test_a_normalised_snapshot_has_nothing_that_differs_from_run_to_run() -> None:
    again = replace(
        POD,
        inode=8,
        cookie=71,
        pid=99,
        links=Rows((replace(ETH0, index=5, peer_index=6, peer_nsid=3),)),
        neighbours=Rows(()),
        fdb=Rows(()),
    )
    assert normalised(Snapshot((POD,))) == normalised(Snapshot((again,)))
    for kept in (
        replace(POD, routes=Rows(())),
        replace(POD, links=Rows((replace(ETH0, mtu=1400),))),
        replace(POD, neighbours=Rows((replace(NEIGHBOUR, state="permanent"),))),
        replace(POD, fdb=Rows((replace(ENTRY, kind="static"),))),
        replace(POD, rules=Rows(())),
        replace(POD, firewall=""),
        replace(POD, owner="cni"),
    ):
        assert normalised(Snapshot((POD,))) != normalised(Snapshot((kept,)))
