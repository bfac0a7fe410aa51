"""Changes are sent together; what the kernel refuses is explained, and the rest is accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from labhelpers.errors import AlreadyExists, BadInput, KernelFeatureMissing, LabError, NotFound
from labhelpers.linux import address, bridge, fdb, link, namespace, neighbour, route, veth
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import NetworkNamespace
from tests.netns.kernel import eventually, links, shell, state

MAC = "02:00:00:00:00:01"


@pytest.fixture
def red() -> Iterator[NetworkNamespace]:
    """A namespace with a cable d0 — d1, 10.0.0.1/24 on d0, and a bridge br0."""
    made = namespace.create("red")
    shell(
        "sysctl -qw net.ipv6.conf.all.disable_ipv6=1; ip link add br0 type bridge;"
        "ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up;"
        "ip address add 10.0.0.1/24 dev d0",
        "red",
    )
    # the kernel writes this up to a second later, and tests compare the state before and after
    assert eventually(lambda: {links("red")[end]["operstate"] for end in ("d0", "d1")} == {"UP"})
    yield made
    namespace.delete(made)


def test_a_change_waits_for_the_end_of_the_block(red: NetworkNamespace) -> None:
    with red.changes() as changes:
        link.up(changes, "br0")
        assert "UP" not in links("red")["br0"]["flags"]
        assert changes.done == []
    assert "UP" in links("red")["br0"]["flags"]
    assert changes.done == ["ip -n red link set br0 up"]


def test_a_block_that_fails_sends_nothing(red: NetworkNamespace) -> None:
    def work() -> None:
        with red.changes() as changes:
            link.up(changes, "br0")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert "UP" not in links("red")["br0"]["flags"]


def test_an_interface_made_in_the_block_can_be_used_in_it(red: NetworkNamespace) -> None:
    with red.changes() as changes:
        bridge.add(changes, "br1", mac=MAC)
        address.add(changes, "br1", "10.1.0.1/24")
        link.set_master(changes, "d1", "br1")
    assert links("red")["d1"]["master"] == "br1"
    assert links("red")["br1"]["addr_info"][0]["local"] == "10.1.0.1"


def test_what_was_accepted_beside_a_refusal_is_accounted_for(red: NetworkNamespace) -> None:
    with red.socket() as socket:
        changes = Changes(socket, "red")
        for value in ("10.0.0.5/24", "10.0.0.1/24", "10.0.0.6/24"):
            address.add(changes, "d0", value)
        with pytest.raises(AlreadyExists):
            changes.apply()
    there = {one["local"] for one in links("red")["d0"]["addr_info"]}
    assert there == {"10.0.0.1", "10.0.0.5", "10.0.0.6"}
    assert changes.done == [f"ip -n red address add {value} brd + dev d0" for value in ("10.0.0.5/24", "10.0.0.6/24")]


def test_thousands_of_changes_are_made(red: NetworkNamespace) -> None:
    with red.changes() as changes:
        for number in range(3000):
            address.add(changes, "d0", f"10.9.{number // 250}.{number % 250}/32")
    assert len(links("red")["d0"]["addr_info"]) == 3001


def test_thousands_of_refusals_are_one_error(red: NetworkNamespace) -> None:
    before = state("red")
    with red.socket() as socket:
        changes = Changes(socket, "red")
        for _ in range(3000):
            address.add(changes, "d0", "10.0.0.1/24")
        with pytest.raises(AlreadyExists):
            changes.apply()
    assert state("red") == before
    assert changes.done == []


def test_requiring_interfaces_changes_nothing(red: NetworkNamespace) -> None:
    said = r"no interface 'd7' in namespace red\. It has: br0, d0, d1, lo\."
    with red.changes() as changes, pytest.raises(NotFound, match=said):
        changes.require("d0", "d7")
    assert changes.done == []


Verb = Callable[[Changes], None]
REFUSED: dict[str, tuple[Verb, type[LabError], str]] = {
    "a name that is taken": (lambda do: bridge.add(do, "d0", mac=MAC), AlreadyExists, "ip -n red link add d0"),
    "an address that is there": (lambda do: address.add(do, "d0", "10.0.0.1/24"), AlreadyExists, "add 10.0.0.1/24"),
    "an address that is not there": (lambda do: address.delete(do, "d0", "10.0.0.9/24"), NotFound, "address delete"),
    "an IPv6 address where it is off": (lambda do: address.add(do, "d0", "fd00::1/64"), LabError, "add fd00::1/64"),
    "a gateway out of reach": (lambda do: route.add(do, "default", via="10.5.0.1"), BadInput, "route add default"),
    "a route that is there": (lambda do: route.add(do, "10.0.0.0/24", device="d0"), LabError, "route add 10.0.0.0/24"),
    "a route that is not there": (lambda do: route.delete(do, "10.5.0.0/16"), NotFound, "route delete 10.5.0.0/16"),
    "a route by what is down": (lambda do: route.add(do, "10.5.0.0/16", device="br0"), BadInput, "dev br0"),
    "a bridge as its own port": (lambda do: link.set_master(do, "br0", "br0"), LabError, "set br0 master br0"),
    "a bridge that is none": (lambda do: link.set_master(do, "d1", "d0"), KernelFeatureMissing, "set d1 master d0"),
    "a neighbour that is not there": (lambda do: neighbour.delete(do, "10.0.0.7", "d0"), NotFound, "neighbour delete"),
    "a forwarding entry without a bridge": (
        lambda do: fdb.add(do, MAC, "d0"),
        LabError,
        f"bridge -n red fdb add {MAC}",
    ),
    "lo deleted": (lambda do: link.delete(do, "lo"), LabError, "link delete lo"),
    "the other end of a cable taken": (
        lambda do: veth.add(do, veth.Plug("e0", MAC), veth.Plug("d1", MAC)),
        AlreadyExists,
        "link add e0",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_says_what_happened_and_what_to_do(red: NetworkNamespace, case: str) -> None:
    verb, kind, command = REFUSED[case]
    before = state("red")
    with pytest.raises(kind) as caught, red.changes() as changes:
        verb(changes)
    error = caught.value
    assert error.what.endswith(".")
    assert error.to_do.endswith(".")
    assert command in error.command
    assert f"`{error.command}`" in error.what
    assert "errno" not in str(error).lower()
    assert state("red") == before
