"""The exercises of chapter 02: veth and bridge."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import cable, exists, pinged
from labhelpers.lab import Namespace
from labhelpers.topology import NamespaceState, Snapshot

__all__ = ["EXERCISES"]


def _two_rooms() -> Iterator[Todo]:
    for name in ("east", "west"):
        yield exists(name)
    east, west = Namespace("east"), Namespace("west")
    yield cable("east/eth0", "west/eth0")
    for place, address in ((east, "172.16.0.1/24"), (west, "172.16.0.2/24")):
        seen = _ipv4(Snapshot.take()[place.name])
        yield Todo(address in seen, f"{place.name} has the address {address}", _explained(seen))
    yield pinged(east, "172.16.0.2", "east reaches west")


def _ipv4(state: NamespaceState) -> list[str]:
    """A namespace made by hand has IPv6 addresses too, which nobody gave it."""
    return [one for one in state.addresses if ":" not in one]


def _explained(addresses: list[str]) -> str:
    alone = "; without /24 the address is alone in its subnet" if any("/32" in one for one in addresses) else ""
    return (", ".join(addresses) or "none") + alone


def _switch() -> Iterator[Todo]:
    names = ("h1", "h2", "h3")
    for name in ("hub", *names):
        yield exists(name)
    hub = Namespace("hub").links()
    bridges = [link for link in hub if link.kind == "bridge"]
    yield Todo(len(bridges) == 1, "hub has one bridge", f"it has {len(bridges)}")
    if bridges:
        yield Todo(bridges[0].up, "the bridge is up", f"{bridges[0].name} is down")
    snapshot = Snapshot.take()
    for name in names:
        peer = snapshot.peer(name, "eth0")
        port = hub[peer.link] if peer and peer.namespace == "hub" else None
        plugged = bool(port and bridges and port.master == bridges[0].name)
        seen = f"{port.name} in hub is no port of the bridge" if port else f"{name}/eth0 has no cable to hub"
        yield Todo(plugged, f"{name}/eth0 is plugged into the bridge", seen)
    addresses = [one for link in hub if link.name != "lo" for one in link.addresses if "." in one]
    yield Todo(not addresses, "hub has no IPv4 address", ", ".join(addresses))
    for a, b in permutations(range(1, 4), 2):
        yield pinged(Namespace(f"h{a}"), f"172.16.9.{b}", f"h{a} reaches h{b}")


def _way_out() -> Iterator[Todo]:
    gw, out = Namespace("gw"), Namespace("out")
    uplink = gw.links()["to-out"]
    yield Todo(uplink.master == "", "to-out is not plugged into the switch", f"it is a port of {uplink.master}")
    forwarding = gw.sysctl("net.ipv4.ip_forward")
    yield Todo(forwarding == "1", "gw passes packets on", f"ip_forward is {forwarding}")
    with out.listen(8765):
        for name, address in (("p1", "172.16.7.1"), ("p2", "172.16.7.2")):
            reply = Namespace(name).connect("172.16.8.2", 8765, timeout=0.5)
            yield Todo(reply.ok, f"{name} reaches the server in out", str(reply))
            yield Todo(reply.saw == address, f"out sees {name}'s own address", f"it saw {reply.saw or 'nothing'}")


EXERCISES = (
    Exercise(
        id="2.1",
        title="two rooms and a cable",
        task="Join the namespaces east and west with a cable, 172.16.0.1/24 and 172.16.0.2/24, by hand.",
        rows=_two_rooms,
        places=("east", "west"),
        hints=(
            "You need two namespaces, one veth pair, one address each, and both ends up.",
            "The line for the cable begins: `ip -n east link add eth0 type veth peer name eth0 netns …`",
            "All is there and the ping fails? Look at the state of both ends with `ip -brief link`.",
        ),
        solution="""
            %%bash
            ip netns add east
            ip netns add west
            ip -n east link add eth0 type veth peer name eth0 netns west
            ip -n east address add 172.16.0.1/24 dev eth0
            ip -n west address add 172.16.0.2/24 dev eth0
            ip -n east link set eth0 up
            ip -n west link set eth0 up
        """,
        broken="""
            %%bash
            ip netns add east
            ip netns add west
            ip -n east link add eth0 type veth peer name eth0 netns west
            ip -n east address add 172.16.0.1/24 dev eth0
            ip -n west address add 172.16.0.2/24 dev eth0
            ip -n east link set eth0 up
        """,
    ),
    Exercise(
        id="2.2",
        title="a switch with three ports",
        task="h1, h2 and h3, 172.16.9.1/24 to .3/24, are plugged into one bridge in the namespace hub.",
        rows=_switch,
        places=("h1", "h2", "h3", "hub"),
        hints=(
            "The cell that plugged red, blue and green into br0 has all you need.",
            "The bridge needs no address. Each cable has one end in hub; that end becomes a port. "
            "By hand, the bridge itself must be set up too, and every port.",
            '`lab.bridge(hub, "br9")` makes the switch, `.add_port("to-h1")` plugs a cable in and sets it up.',
        ),
        solution="""
            hub = lab.namespace("hub")
            br9 = lab.bridge(hub, "br9")
            for number in (1, 2, 3):
                place = lab.namespace(f"h{number}")
                lab.veth((place, "eth0"), (hub, f"to-h{number}"))
                place.add_address("eth0", f"172.16.9.{number}/24")
                place.up("eth0")
                br9.add_port(f"to-h{number}")
        """,
        broken="""
            hub = lab.namespace("hub")
            br9 = lab.bridge(hub, "br9")
            for number in (1, 2, 3):
                place = lab.namespace(f"h{number}")
                lab.veth((place, "eth0"), (hub, f"to-h{number}"))
                place.add_address("eth0", f"172.16.9.{number}/24")
                place.up("eth0")
                hub.up(f"to-h{number}")
        """,
    ),
    Exercise(
        id="2.3",
        title="a way out",
        task="p1 and p2 reach the server in out through gw, as themselves.",
        rows=_way_out,
        places=("p1", "p2", "out", "gw"),
        start="""
            gw, out = lab.namespace("gw"), lab.namespace("out")
            gw.sysctl("net.ipv4.ip_forward", 0)
            br7 = lab.bridge(gw, "br7")
            for name, address in (("p1", "172.16.7.1/24"), ("p2", "172.16.7.2/24")):
                place = lab.namespace(name)
                lab.veth((place, "eth0"), (gw, f"to-{name}"))
                place.add_address("eth0", address)
                place.up("eth0")
                br7.add_port(f"to-{name}")
            lab.veth((out, "eth0"), (gw, "to-out"))
            out.add_address("eth0", "172.16.8.2/24")
            gw.add_address("to-out", "172.16.8.1/24")
            out.up("eth0")
            gw.up("to-out")
            out.add_route("default", via="172.16.8.1")
        """,
        gives=("gw", "out", "br7", 'lab["p1"]', 'lab["p2"]'),
        hints=(
            "p1 and out are in different subnets. Who could pass the packets on? What does that one lack?",
            "The namespace gw needs an address on its own switch, such as 172.16.7.254/24 on br7, "
            "and p1 and p2 need a route to it.",
            "One more thing decides whether gw passes packets on for others: net.ipv4.ip_forward.",
        ),
        solution="""
            gw.add_address("br7", "172.16.7.254/24")
            for name in ("p1", "p2"):
                lab[name].add_route("default", via="172.16.7.254")
            gw.sysctl("net.ipv4.ip_forward", 1)
        """,
        broken="""
            gw.add_address("br7", "172.16.7.254/24")
            for name in ("p1", "p2"):
                lab[name].add_route("default", via="172.16.7.254")
        """,
    ),
)
