"""What the linux layer reads of a namespace is what ``ip`` and ``bridge`` say of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from labhelpers.linux import link, tables
from labhelpers.linux.namespace import attach
from labhelpers.linux.records import FdbEntry, Neighbour, Route, Rule
from labhelpers.linux.tables import Tables
from tests.netns.kernel import bridge, eventually, ip, links, shell

EVERYTHING = """
ip link set lo up
ip link add br0 address 02:00:00:00:00:01 mtu 1450 type bridge
ip link add p0 address 02:00:00:00:00:02 type veth peer name p1 address 02:00:00:00:00:03
ip link add far type veth peer name eth0 netns other
ip link set p0 alias 'a note with spaces' master br0 up
ip link set p1 up
bridge link set dev p0 isolated on
ip link set br0 up
ip address add 10.0.0.1/24 brd + dev br0
ip address add 10.0.0.2/24 dev br0
ip address add 10.9.0.1 peer 10.9.0.2/32 dev p1
ip address add fd00::1/64 dev br0 nodad
ip route add default via 10.0.0.9
ip route add 10.1.0.0/16 dev br0 src 10.0.0.2 metric 7
ip route add 10.2.0.0/16 via 10.0.0.8 proto static table 100
ip route add blackhole 10.3.0.0/16
ip route add unreachable 10.4.0.0/16 proto bgp
ip route add 10.5.0.0/16 nexthop via 10.0.0.8 nexthop via 10.0.0.9 weight 2
ip route add fd01::/64 via fd00::9
ip rule add from 10.1.0.0/16 to 10.2.0.0/16 iif br0 fwmark 7 table 100 priority 50
ip rule add to 10.7.0.0/16 prohibit priority 70
ip rule add not from 10.6.0.0/16 oif br0 table 101 priority 60
ip neighbour add 10.0.0.9 lladdr 02:00:00:00:00:09 dev br0
ip neighbour add fd00::9 lladdr 02:00:00:00:00:09 dev br0
bridge fdb add 02:00:00:00:00:0a dev p0 master static
bridge fdb add 02:00:00:00:00:0d dev p0 master dynamic
"""


@pytest.fixture(scope="module")
def full() -> Iterator[str]:
    """A namespace that has one of everything."""
    shell("ip netns add full; ip netns add other")
    shell("sysctl -qw net.ipv6.conf.default.addr_gen_mode=1", "full")
    shell(EVERYTHING, "full")
    assert eventually(lambda: links("full")["br0"]["operstate"] == "UP")
    yield "full"
    shell("ip netns delete full; ip netns delete other")


@pytest.fixture
def read(full: str) -> Tables:
    with attach(full).socket() as socket:
        return tables.read(socket)


def test_links(full: str, read: Tables) -> None:
    said = links(full)
    assert [one.name for one in read.links] == list(said)
    for one in read.links:
        its = said[one.name]
        assert one.index == its["ifindex"]
        assert one.kind == (its.get("linkinfo", {}).get("info_kind") or its["link_type"])
        assert one.up == ("UP" in its["flags"])
        assert one.state == its["operstate"].lower()
        assert (one.mac, one.mtu) == (its["address"], its["mtu"])
        assert (one.master, one.alias) == (its.get("master", ""), its.get("ifalias", ""))
        assert one.addresses == tuple(f"{a['local']}/{a['prefixlen']}" for a in its["addr_info"])


def test_the_other_end_of_a_cable(full: str, read: Tables) -> None:
    said = links(full)
    assert read.links["p0"].peer_index == said["p1"]["ifindex"]
    assert read.links["p0"].peer_nsid == -1
    assert read.links["far"].peer_index == links("other")["eth0"]["ifindex"]
    assert read.links["far"].peer_nsid == said["far"]["link_netnsid"]
    assert read.links["br0"].peer_index == 0


def test_what_is_special_to_a_kind(read: Tables) -> None:
    details = {one.name: dict(one.details) for one in read.links}
    assert details["p0"] == {"isolated": "on"}
    assert details["p1"] == {}


def test_routes(full: str, read: Tables) -> None:
    def routes(*family: str) -> Iterator[Route]:
        for one in ip(*family, "route", "show", "table", "all", namespace=full):
            if one.get("table") == "local":
                continue
            for hop in one.get("nexthops", [one]):
                yield Route(
                    destination=_block(one["dst"], family),
                    via=hop.get("gateway", ""),
                    device=hop.get("dev", ""),
                    source=one.get("prefsrc", ""),
                    scope=one.get("scope", "global"),
                    protocol=one["protocol"],
                    metric=one.get("metric", 0),
                    table=one.get("table", "main"),
                    kind=one["type"],
                )

    said = [*routes("-4"), *routes("-6")]
    assert sorted(read.routes, key=repr) == sorted(said, key=repr)
    assert len(read.routes.where(destination="10.5.0.0/16")) == 2


def _block(destination: str, family: tuple[str, ...]) -> str:
    if destination == "default" or "/" in destination:
        return destination
    return f"{destination}/{32 if family == ('-4',) else 128}"


def test_rules(full: str, read: Tables) -> None:
    assert [row.priority for row in read.rules] == [row["priority"] for row in ip("rule", namespace=full)]
    assert read.rules.where(priority=50) == (Rule(50, "from 10.1.0.0/16 to 10.2.0.0/16 iif br0 fwmark 0x7", "100"),)
    assert read.rules.where(priority=60) == (Rule(60, "not from 10.6.0.0/16 oif br0", "101"),)
    assert read.rules.where(priority=70) == (Rule(70, "from all to 10.7.0.0/16", "prohibit"),)
    assert read.rules.where(priority=32766) == (Rule(32766, "from all", "main"),)


def test_neighbours(full: str, read: Tables) -> None:
    said = [
        Neighbour(one["dst"], one["dev"], one.get("lladdr", ""), one["state"][0].lower())
        for one in ip("neighbour", namespace=full)
    ]
    assert sorted(read.neighbours, key=repr) == sorted(said, key=repr)
    assert len(said) == 2


def test_forwarding_entries(full: str, read: Tables) -> None:
    said = {_entry(one) for one in bridge("fdb", namespace=full) if not _is_filter(one)}
    assert set(read.fdb) == said
    assert {entry.kind for entry in read.fdb} == {"permanent", "static", "learned"}


def _is_filter(one: Any) -> bool:
    """A device's own multicast filter, which says nothing about where anybody lives."""
    return int(one["mac"][:2], 16) & 1 == 1 and "master" not in one


def _entry(one: Any) -> FdbEntry:
    master = one.get("master", "")
    kind = one["state"] or "learned"
    return FdbEntry(one["mac"], one["ifname"], master, kind, one.get("dst", ""), one.get("vlan", 0))


def test_a_namespace_without_a_bridge_is_not_asked_for_forwarding_entries(full: str) -> None:
    with attach("other").socket() as socket:
        content = tables.read(socket)
    assert content.fdb == ()
    assert [one.name for one in content.links] == ["lo", "eth0"]
    assert content.routes == ()


def test_a_tunnel_and_where_its_packets_go() -> None:
    shell("ip netns add wide")
    try:
        if "vxlan" not in _kinds("wide"):
            pytest.skip("this kernel has no vxlan")
        shell("bridge fdb add 02:00:00:00:00:0c dev tunnel dst 10.0.0.7 self permanent", "wide")
        with attach("wide").socket() as socket:
            content = tables.read(socket)
        assert {("id", "42"), ("port", "4789"), ("local", "10.0.0.1")} <= set(content.links["tunnel"].details)
        assert FdbEntry("02:00:00:00:00:0c", "tunnel", "", "permanent", "10.0.0.7") in content.fdb
    finally:
        shell("ip netns delete wide")


def _kinds(place: str) -> set[str]:
    shell("ip link add tunnel type vxlan id 42 dstport 4789 local 10.0.0.1 2>/dev/null || true", place)
    return {one.get("linkinfo", {}).get("info_kind", "") for one in links(place).values()}


def test_a_rename_is_seen(full: str) -> None:
    shell("ip link set eth0 name renamed", "other")
    with attach("other").socket() as socket:
        assert [one.name for one in link.dump(socket)] == ["lo", "renamed"]
    shell("ip link set renamed name eth0", "other")
