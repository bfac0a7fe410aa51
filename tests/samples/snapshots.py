"""Snapshots as the kernel would give them: two nodes, one switch, and any mixture that hypothesis thinks of."""

from __future__ import annotations

from hypothesis import strategies as st

from labhelpers.linux.records import FdbEntry, Link, Neighbour, Route, Rows
from labhelpers.topology import Cable, End, NamespaceState, Snapshot

__all__ = ["any_snapshot", "bridge", "cable", "lo", "namespace", "two_nodes", "veth"]


def lo(*, up: bool = True) -> Link:
    return Link("lo", 1, "loopback", up, "unknown" if up else "down", "00:00:00:00:00:00", 65536)


def veth(name: str, index: int = 2, *addresses: str, up: bool = True, state: str = "up", master: str = "") -> Link:
    return Link(name, index, "veth", up, state, f"02:00:00:00:00:{index:02x}", 1500, master, "", addresses, index, 0)


def bridge(name: str, index: int, *addresses: str, up: bool = True) -> Link:
    return Link(name, index, "bridge", up, "up", f"02:00:00:00:01:{index:02x}", 1500, addresses=addresses)


def namespace(name: str, role: str, *links: Link, node: str = "", routes: tuple[Route, ...] = ()) -> NamespaceState:
    inode = sum(name.encode()) * 1000 + len(name)
    return NamespaceState(name, role, inode, node, "lab", 0, Rows(links, "links"), Rows(routes, "routes"))


def pod(name: str, address: str, node: str) -> NamespaceState:
    gateway = address.rpartition(".")[0] + ".1"
    routes = (Route("default", via=gateway, device="eth0"), Route(f"{gateway[:-1]}0/24", device="eth0"))
    return namespace(name, "pod", lo(), veth("eth0", 2, f"{address}/24"), node=node, routes=routes)


def node(number: int, *pods: str) -> NamespaceState:
    ports = [veth(f"veth-{name}", 10 + place, master="cni0") for place, name in enumerate(pods)]
    routes = (
        Route("default", via="192.168.1.1", device="eth0"),
        Route(f"10.0.{number}.0/24", device="cni0"),
        Route(f"10.0.{3 - number}.0/24", via=f"192.168.1.{12 - number}", device="eth0"),
        Route("192.168.1.0/24", device="eth0"),
    )
    up = veth("eth0", 2, f"192.168.1.{9 + number}/24")
    state = namespace(
        f"node-{number}", "node", lo(), up, bridge("cni0", 3, f"10.0.{number}.1/24"), *ports, routes=routes
    )
    fdb = Rows([FdbEntry("0a:58:0a:00:01:0a", ports[0].name, "cni0")] if ports else [], "fdb")
    neighbours = Rows([Neighbour("192.168.1.1", "eth0", "02:00:00:00:00:01", "reachable")], "neighbours")
    return NamespaceState(
        state.name, "node", state.inode, "", "lab", 7, state.links, state.routes, neighbours, fdb, Rows((), "rules")
    )


def two_nodes() -> Snapshot:
    """The cluster that most chapters begin with."""
    guests = {1: ("pod-a", "pod-b"), 2: ("pod-c", "pod-d")}
    underlay = namespace(
        "underlay",
        "underlay",
        lo(),
        bridge("br0", 2, "192.168.1.1/24"),
        veth("node-1", 3, master="br0"),
        veth("node-2", 4, master="br0"),
    )
    states, cables = [namespace("host", "host", lo()), underlay], []
    for number, names in guests.items():
        states.append(node(number, *names))
        cables.append(cable(f"node-{number}/eth0", f"underlay/node-{number}"))
        for place, name in enumerate(names):
            states.append(pod(name, f"10.0.{number}.{10 + place}", f"node-{number}"))
            cables.append(cable(f"node-{number}/veth-{name}", f"{name}/eth0"))
    return Snapshot(tuple(states), tuple(sorted(cables)))


def cable(a: str, b: str) -> Cable:
    return Cable(*sorted((End(*a.split("/")), End(*b.split("/")))))


_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="/ \0"), min_size=1, max_size=15)
_ADDRESSES = st.lists(st.ip_addresses(v=4).map(lambda one: f"{one}/24"), max_size=4).map(tuple)


@st.composite
def any_snapshot(draw: st.DrawFn) -> Snapshot:
    """Namespaces of every role with links of every kind, and cables between some of the veths."""
    names = draw(st.lists(_WORDS, min_size=0, max_size=9, unique=True))
    roles = st.sampled_from(["node", "pod", "namespace", "unknown", "underlay", "host"])
    states, ends = [], []
    for name in names:
        kinds = draw(st.lists(st.sampled_from(["veth", "bridge", "vxlan", ""]), max_size=6))
        links = [lo(up=draw(st.booleans()))]
        bridges = [f"br{i}" for i, kind in enumerate(kinds) if kind == "bridge"]
        for i, kind in enumerate(kinds):
            link = f"br{i}" if kind == "bridge" else f"if{i}"
            master = draw(st.sampled_from(["", *bridges])) if kind != "bridge" else ""
            up, state = draw(st.booleans()), draw(st.sampled_from(["up", "down", "lowerlayerdown", "unknown"]))
            lower = draw(st.sampled_from([0, 0, 2])) if kind == "vxlan" else 0
            links.append(Link(link, i + 2, kind, up, state, "", 1500, master, "", draw(_ADDRESSES), lower))
            if kind == "veth":
                ends.append(End(name, link))
        routes = draw(st.lists(st.builds(Route, _WORDS, _WORDS, _WORDS), max_size=9))
        home = draw(st.sampled_from(["", *names]))
        states.append(namespace(name, draw(roles), *links, node=home, routes=tuple(routes)))
    mixed = draw(st.permutations(ends))
    cables = [Cable(*sorted(pair)) for pair in zip(mixed[::2], mixed[1::2], strict=False)]
    kept = draw(st.integers(0, len(cables)))
    return Snapshot(tuple(states), tuple(sorted(cables[:kept])))
