"""The exercises of chapter 06: same node, across nodes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

from labhelpers.course.black_hole import swallowed
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.predictions import arrived, compared, header_of, predicted
from labhelpers.course.questions import lab_of_notebook, marked
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, Node
from labhelpers.topology import Snapshot
from labhelpers.trace import walk

__all__ = ["EXERCISES"]

_PATIENCE = 0.5  # seconds for a walk that may fail
_START = """
    from labhelpers import checkpoint
    from labhelpers.course.questions import mark
    from labhelpers.networks.route import HostGateway, Vxlan

    lab = checkpoint("06")
    underlay = lab["underlay"]
    node_1, node_2 = lab.nodes
    pod_a, pod_b, pod_c, pod_d = lab.pods
    mark(lab.nodes, "{id}")
"""
_GIVES = ("lab", "node_1", "node_2", "pod_a to pod_d")


def _begin(id: str) -> str:
    return _START.replace("{id}", id)


def _started(id: str) -> Lab:
    """The lab of the notebook, if ``start`` of this exercise built it."""
    lab = lab_of_notebook()
    if not marked([node for node in lab.nodes if node.name in ("node-1", "node-2")], id):
        raise NotFound(f'This lab is not the one that start("{id}") built.')
    return lab


# --- predictions, compared with a walk ----------------------------------------------------------------------------


def _ttl() -> Iterator[Todo]:
    _started("6.1")
    ttl = predicted("ttl")
    for source, target in (("pod-a", "pod-b"), ("pod-a", "pod-c"), ("node-1", "pod-c")):
        way = f"{source} to {target}"
        request = arrived(source, target).request
        if target == "pod-c" and not any(hop.namespace == "underlay" and hop.by == "routed" for hop in request):
            raise NotFound(f"The packet from {way} does not pass the router 192.168.1.1 any more.")
        seen = header_of(request[-1], "IPv4")["ttl"]
        yield compared(f"the TTL on arrival, {way}", ttl.get(way), seen)


def _macs() -> Iterator[Todo]:
    _started("6.2")
    macs = predicted("macs")
    reply = {hop.place: hop for hop in arrived("pod-a", "pod-c").reply}
    owner = {link.mac: f"{state.name}/{link.name}" for state in Snapshot.take() for link in state.links}
    for place in ("pod-c/eth0", "node-2/eth0", "node-1/veth-pod-a"):
        if place not in reply:
            raise NotFound(f"The reply does not pass {place} any more.")
        ethernet = header_of(reply[place], "Ethernet")
        seen = owner.get(ethernet["source"]), owner.get(ethernet["destination"])
        yield compared(f"whose MACs the reply has on {place}", macs.get(place), seen)


def _outer() -> Iterator[Todo]:
    _started("6.3")
    outer = predicted("outer")
    hop = next((one for one in arrived("pod-d", "pod-b", size=100).request if one.place == "underlay/node-2"), None)
    if hop is None or hop.header("VXLAN") is None:
        raise NotFound("No VXLAN passes the underlay any more.")
    outside, inside = header_of(hop, "IPv4"), header_of(hop, "IPv4", inner=True)
    port = header_of(hop, "UDP")["destination_port"]
    yield compared("the outer source address", outer.get("source"), outside["source"])
    yield compared("the outer destination address", outer.get("destination"), outside["destination"])
    yield compared("the UDP port it goes to", outer.get("port"), port)
    yield compared("the TTL inside", outer.get("inner ttl"), inside["ttl"])
    yield compared("the length of the outer IP packet", outer.get("bytes"), outside["length"])


# --- repairs, seen in the kernel ----------------------------------------------------------------------------------


def _fdb() -> Iterator[Todo]:
    lab = _started("6.4")
    pairs = list(permutations(lab.nodes, 2))
    right = sum(_knows_where(node, peer) for node, peer in pairs)
    what = "every node's FDB puts every other's tunnel end behind the right node"
    yield Todo(len(pairs) == right == 6, what, f"{right} of {len(pairs)} entries are right")
    yield from _all_reached(lab)


def _knows_where(node: Node, peer: Node) -> bool:
    """Has the node an FDB entry that puts the peer's tunnel end behind the peer, and nowhere else?"""
    mac = peer.links()["flannel.1"].mac
    return [one.destination for one in node.fdb().where(device="flannel.1", mac=mac)] == [peer.address]


def _all_reached(lab: Lab) -> Iterator[Todo]:
    """Does one pod of each node reach one of each other node?"""
    firsts = {pod.node.name: pod for pod in reversed(lab.pods)}
    for name, pod in sorted(firsts.items()):
        others = [other for other in firsts.values() if other.node.name != name]
        failed = sorted(other.name for other in others if not walk(pod, other, timeout=_PATIENCE))
        yield Todo(not failed, f"{pod.name} reaches the pods of the other nodes", f"no answer from {', '.join(failed)}")


def _black_hole() -> Iterator[Todo]:
    lab = _started("6.5")
    tunnel = all(any(link.kind == "vxlan" for link in node.links()) for node in lab.nodes)
    yield Todo(tunnel, "the packets still travel in VXLAN", "a node has no tunnel end any more")
    ports = {link.name: link.mtu for link in lab["underlay"].links() if link.master == "br0"}
    seen = ", ".join(f"{name}: {mtu}" for name, mtu in sorted(ports.items()))
    yield Todo(set(ports.values()) == {1400}, "the underlay is as it was: its ports carry 1400 bytes", seen)
    for source, target in (("pod-a", "pod-c"), ("pod-c", "pod-a"), ("pod-b", "pod-d"), ("pod-d", "pod-b")):
        lost = swallowed(lab.pod(source), lab.pod(target))
        yield Todo(not lost, f"large packets from {source} to {target} arrive", lost)


def _third_node() -> Iterator[Todo]:
    lab = _started("6.6")
    lab.pod("pod-e")
    before, new = lab.nodes[:2], lab.nodes[2]
    for node, peer in [(one, new) for one in before] + [(new, one) for one in before]:
        yield _knows_way(node, peer)
    yield from _all_reached(lab)


def _knows_way(node: Node, peer: Node) -> Todo:
    """Has the node the three entries for the peer?"""
    end = peer.pod_cidr.split("/")[0]
    mac = peer.links()["flannel.1"].mac
    found = {
        "the route": any(one.via == end for one in node.routes().where(device="flannel.1", destination=peer.pod_cidr)),
        "the neighbour": any(one.address == end for one in node.neighbours().where(device="flannel.1", mac=mac)),
        "the FDB entry": any(one.mac == mac for one in node.fdb().where(device="flannel.1", destination=peer.address)),
    }
    missing = [name for name, there in found.items() if not there]
    what = f"{node.name} has its three entries for {peer.name}"
    return Todo(not missing, what, f"missing: {', '.join(missing)}")


EXERCISES = (
    Exercise(
        id="6.1",
        title="predict the TTL",
        task="With which TTL do three packets arrive, where a router stands between the nodes?",
        rows=_ttl,
        start=_begin("6.1")
        + """
    for name in ("all", "br0"):
        underlay.sysctl(f"net.ipv4.conf.{name}.send_redirects", 0)
    for node, other in ((node_1, node_2), (node_2, node_1)):
        node.add_route(other.pod_cidr, via="192.168.1.1")
        underlay.add_route(node.pod_cidr, via=node.address)
    ttl = {"pod-a to pod-b": 0, "pod-a to pod-c": 0, "node-1 to pod-c": 0}
""",
        gives=(*_GIVES, "ttl"),
        hints=(
            "Each packet begins with 64. Who takes one off: a switch, or a router?",
            "Count the routers that a packet passes. The sender itself is none. Here the underlay is one too.",
            "To pod-b: no router. To pod-c: node-1, the underlay, node-2. And a packet that node-1 itself sends?",
        ),
        solution="""
            ttl = {"pod-a to pod-b": 64, "pod-a to pod-c": 61, "node-1 to pod-c": 62}
        """,
        broken="""
            ttl = {"pod-a to pod-b": 64, "pod-a to pod-c": 62, "node-1 to pod-c": 63}
        """,
    ),
    Exercise(
        id="6.2",
        title="predict the MACs",
        task="Whose MAC addresses are in the frame of pod-c's reply to pod-a, in three places?",
        rows=_macs,
        start=_begin("6.2")
        + """
    host_gw = HostGateway(lab)
    macs = {"pod-c/eth0": ("", ""), "node-2/eth0": ("", ""), "node-1/veth-pod-a": ("", "")}
""",
        gives=(*_GIVES, "macs"),
        hints=(
            "A MAC address reaches as far as the next router. Where are the routers on the way back?",
            "pod-c does not know pod-a's MAC address. Whose does it know: who is its gateway?",
            'The last frame is made by node-1. By which interface has it the route to 10.0.1.0/24? "node-1/…".',
        ),
        solution="""
            macs["pod-c/eth0"] = ("pod-c/eth0", "node-2/cni0")
            macs["node-2/eth0"] = ("node-2/eth0", "node-1/eth0")
            macs["node-1/veth-pod-a"] = ("node-1/cni0", "pod-a/eth0")
        """,
        broken="""
            macs["pod-c/eth0"] = ("pod-c/eth0", "node-2/cni0")
            macs["node-2/eth0"] = ("node-2/eth0", "node-1/eth0")
            macs["node-1/veth-pod-a"] = ("node-1/veth-pod-a", "pod-a/eth0")
        """,
    ),
    Exercise(
        id="6.3",
        title="predict the outer header",
        task="pod-d sends 100 bytes to pod-b. What does the network between the nodes see?",
        rows=_outer,
        start=_begin("6.3")
        + """
    vxlan = Vxlan(lab)
    outer = {"source": "", "destination": "", "port": 0, "inner ttl": 0, "bytes": 0}
""",
        gives=(*_GIVES, "vxlan", "outer"),
        hints=(
            "Outside are nodes, inside are pods. On which nodes are pod-d and pod-b?",
            "The inner packet was routed once before it was wrapped. And its 100 bytes have an ICMP and an IP header.",
            "Bytes, from the inside out: 100, ICMP 8, IPv4 20, Ethernet 14, VXLAN 8, UDP 8, IPv4 20.",
        ),
        solution="""
            outer["source"], outer["destination"] = "192.168.1.11", "192.168.1.10"
            outer["port"] = 8472
            outer["inner ttl"] = 63
            outer["bytes"] = 100 + 8 + 20 + 50
        """,
        broken="""
            outer["source"], outer["destination"] = "192.168.1.11", "192.168.1.10"
            outer["port"] = 8472
            outer["inner ttl"] = 64
            outer["bytes"] = 100 + 50
        """,
    ),
    Exercise(
        id="6.4",
        title="the missing entry",
        task="Three nodes in a VXLAN, and one FDB entry is missing. Find it, and put it back by hand.",
        rows=_fdb,
        start=_begin("6.4")
        + """
    node_3 = lab.node("node-3")
    pod_e = node_3.pod("pod-e")
    vxlan = Vxlan(lab)
    mark([node_3], "6.4")
    gone = node_2.links()["flannel.1"].mac
    node_3.run(f"bridge fdb delete {gone} dev flannel.1 dst 192.168.1.11 self", check=True)
""",
        gives=(*_GIVES, "node_3", "pod_e", "vxlan"),
        hints=(
            "Let each node's first pod walk to each other node's: pod-a, pod-c, pod-e. Where do the walks end?",
            "A walk fails too if only its reply is lost. Look at the place where it was seen last, and at `why`.",
            "node-3 lacks the entry for node-2's tunnel end. "
            "Compare `bridge -n node-3 fdb show dev flannel.1` with node-1's.",
        ),
        solution="""
            mac = node_2.links()["flannel.1"].mac
            node_3.run(f"bridge fdb append {mac} dev flannel.1 dst 192.168.1.11 self permanent", check=True)
        """,
        broken="""
            mac = node_2.links()["eth0"].mac
            node_3.run(f"bridge fdb append {mac} dev flannel.1 dst 192.168.1.11 self permanent", check=True)
        """,
    ),
    Exercise(
        id="6.5",
        title="cure the black hole",
        task="Large packets of pods, pings and TCP, arrive on other nodes through a switch that carries 1400 bytes.",
        rows=_black_hole,
        start=_begin("6.5")
        + """
    vxlan = Vxlan(lab)
    for node in lab.nodes:
        underlay.set_mtu(node.name, 1400)
""",
        gives=(*_GIVES, "vxlan"),
        hints=(
            "`print(walk(pod_a, pod_c, size=1472).why)`: node-1 says what it lets pass. Try `size=1422`, which fits: "
            "who is silent?",
            "How large may a pod's packet be, if 1400 bytes is the most for what is put around it too?",
            "`vxlan.fit_pods()` takes the nodes' eth0 as the measure, and that says 1500. `node.set_mtu` changes it.",
        ),
        solution="""
            for node in lab.nodes:
                node.set_mtu("eth0", 1400)
            vxlan.fit_pods()
        """,
        broken="""
            vxlan.fit_pods()
        """,
    ),
    Exercise(
        id="6.6",
        title="a third node",
        task="node-3 and its pod join the VXLAN: who must be told what?",
        rows=_third_node,
        start=_begin("6.6")
        + """
    vxlan = Vxlan(lab)
    node_3 = lab.node("node-3")
    pod_e = node_3.pod("pod-e")
    end = "vxlan id 1 local 192.168.1.12 dev eth0 dstport 8472 nolearning"
    node_3.run(f"ip link add flannel.1 address 02:00:00:00:00:03 type {end}", check=True)
    node_3.run("ip address add 10.0.3.0/32 dev flannel.1", check=True)
    node_3.run("ip link set flannel.1 up", check=True)
""",
        gives=(*_GIVES, "vxlan", "node_3", "pod_e"),
        hints=(
            "For each other node, a node needs three entries: which, and who uses them in which order?",
            "node-3 must know node-1 and node-2. Is that enough for an answer to come back?",
            "Twelve entries: for each of the four ways a route, a neighbour, an FDB entry. Write them in a loop over "
            "`(node_1, node_3), (node_3, node_1), …`.",
        ),
        solution="""
            for node, peer in ((node_1, node_3), (node_2, node_3), (node_3, node_1), (node_3, node_2)):
                mac = peer.links()["flannel.1"].mac
                end = peer.pod_cidr.removesuffix("/24")
                node.run(f"ip neighbour replace {end} lladdr {mac} dev flannel.1 nud permanent", check=True)
                node.run(f"bridge fdb append {mac} dev flannel.1 dst {peer.address} self permanent", check=True)
                node.run(f"ip route replace {peer.pod_cidr} via {end} dev flannel.1 onlink", check=True)
        """,
        broken="""
            for node, peer in ((node_3, node_1), (node_3, node_2)):
                mac = peer.links()["flannel.1"].mac
                end = peer.pod_cidr.removesuffix("/24")
                node.run(f"ip neighbour replace {end} lladdr {mac} dev flannel.1 nud permanent", check=True)
                node.run(f"bridge fdb append {mac} dev flannel.1 dst {peer.address} self permanent", check=True)
                node.run(f"ip route replace {peer.pod_cidr} via {end} dev flannel.1 onlink", check=True)
        """,
    ),
)
