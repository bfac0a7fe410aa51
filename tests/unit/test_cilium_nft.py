"""The twin's table as values: who has which address, and the commands that lead from one table to another."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from labhelpers.networks.cilium.datapath import Allowed, Endpoint, Located, Service, Wanted
from labhelpers.networks.cilium.nft.rules import GATE, contents, guard
from labhelpers.networks.cilium.nft.table import Contents, delta, in_portions, rebuilt
from tests.judge import identity_of

INDEXES = {"eth0": 2, "cilium_vxlan": 5, "lxc1": 7, "lxc2": 8}
EVERYTHING = Located("0.0.0.0/0", 2)
WANTED = Wanted(
    "node-1",
    "192.168.1.10",
    frozenset({"192.168.1.10", "10.0.1.1"}),
    ("10.0.1.0/24", "10.0.2.0/24"),
    tunnel=True,
    endpoints=(Endpoint("10.0.1.2", "lxc1", "", 300), Endpoint("10.0.1.3", "lxc2", "", 301)),
    ipcache=(EVERYTHING, Located("10.0.1.2/32", 300), Located("10.0.1.3/32", 301)),
)
BUSY = replace(
    WANTED,
    isolated=frozenset({(300, "ingress"), (301, "egress")}),
    allowed=(
        Allowed(300, "ingress", 301, 6, 80, 90, "shop/web", 1),
        Allowed(300, "ingress", 0, 17, 53, 53, "shop/web", 2),
        Allowed(301, "egress", 0, policy="shop/all", rule=1),
    ),
    services=(Service("shop/web", "10.96.0.1", 80, 6, (("10.0.1.2", 8080),)),),
)


def table(wanted: Wanted) -> Contents:
    return contents(wanted, INDEXES)


@st.composite
def blocks(draw: st.DrawFn) -> IPv4Network:
    prefix = draw(st.integers(1, 32))
    return IPv4Network((draw(st.integers(0, 2**32 - 1)) >> (32 - prefix) << (32 - prefix), prefix))


@settings(max_examples=200, deadline=None)
@given(
    some=st.dictionaries(blocks(), st.integers(256, 300), max_size=12),
    inside=st.lists(st.integers(0, 2**32 - 1), max_size=5),
)
def test_the_longest_prefix_decides_who_has_an_address(some: dict[IPv4Network, int], inside: list[int]) -> None:
    lines = [Located(str(block), number) for block, number in some.items()]
    wanted = replace(WANTED, ipcache=(EVERYTHING, *lines))
    named = table(wanted).named
    ranges = []
    for key, value in named["ipcache-blocks"].elements.items():
        first, _, last = key.partition("-")
        ranges.append((int(IPv4Address(first)), int(IPv4Address(last or first)), int(value)))
    ranges.sort()
    assert all(end < begin for (_, end, _), (begin, _, _) in pairwise(ranges))
    edges = [int(one[place]) + step for one in some for place in (0, -1) for step in (-1, 0, 1)]
    for number in {*inside, *(edge for edge in edges if 0 <= edge < 2**32)}:
        address = str(IPv4Address(number))
        alone = named["ipcache"].elements.get(address)
        found = int(alone) if alone else next(value for begin, end, value in ranges if begin <= number <= end)
        assert found == identity_of(wanted, address)


def test_nothing_is_changed_where_nothing_differs() -> None:
    assert delta(table(BUSY), table(BUSY)) == ""
    assert delta(guard(), guard()) == ""


def test_a_change_of_one_entry_is_a_few_lines_and_the_way_back_as_few() -> None:
    more = replace(BUSY, allowed=(*BUSY.allowed, Allowed(300, "ingress", 400, 6, 443, 443, "shop/web", 1)))
    assert delta(table(BUSY), table(more)).splitlines() == [
        "add element netdev cilium ingress-300-ports { 400 . tcp . 443 : goto ingress/shop/web/1 }"
    ]
    assert delta(table(more), table(BUSY)).splitlines() == [
        "delete element netdev cilium ingress-300-ports { 400 . tcp . 443 }"
    ]


def test_what_flows_have_put_into_sets_stays_when_the_table_is_built_anew() -> None:
    new = table(BUSY)
    commands = rebuilt(new, new.chains, {name: one.kind for name, one in new.named.items()}).splitlines()
    flushed = {line.split()[-1] for line in commands if line.startswith(("flush set", "flush map"))}
    dynamic = {name for name, one in new.named.items() if one.dynamic}
    assert {"flows", "echoes", "fragments"} <= dynamic
    assert flushed == new.named.keys() - dynamic
    assert not [line for line in commands if line.startswith("delete")]


def test_in_several_transactions_the_gate_is_shut_first_and_opened_last() -> None:
    old, new = table(BUSY), table(replace(BUSY, isolated=frozenset({(301, "egress")})))
    first, *middle, last = in_portions(new, GATE, list(old.chains), {name: one.kind for name, one in old.named.items()})
    shut = "add rule netdev cilium begins counter drop"
    assert shut in first.splitlines()
    assert not [line for text in (*middle, last) for line in text.splitlines() if line == shut]
    assert not [line for text in middle for line in text.splitlines() if "chain netdev cilium begins" in line]
    assert last.splitlines()[0] == "flush chain netdev cilium begins"
    gone = {line.split()[-1] for text in middle for line in text.splitlines() if line.startswith("delete chain")}
    assert "ingress-300" in gone


def test_an_endpoint_whose_cable_is_gone_is_left_out() -> None:
    found = contents(WANTED, {"eth0": 2, "cilium_vxlan": 5, "lxc1": 7})
    assert set(found.named["cables"].elements) == {"10.0.1.2"}
    assert "at-lxc2" not in found.chains
