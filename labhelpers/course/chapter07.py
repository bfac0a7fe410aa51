"""The exercises of chapter 07: CNI plugins compared."""

from __future__ import annotations

from collections.abc import Iterator

from labhelpers.cni import CniPod
from labhelpers.cni import pod as cni_pods
from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.predictions import arrived, compared, predicted
from labhelpers.course.questions import lab_of_notebook, marked
from labhelpers.course.wishes import only_udp_passes, unfulfilled
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, Namespace, Node
from labhelpers.networks import Canal
from labhelpers.networks.bird import control
from labhelpers.topology import Snapshot
from labhelpers.trace import walk

__all__ = ["EXERCISES", "strange_network"]

_PATIENCE = 0.5  # seconds for what may get no answer
_GATEWAY = "169.254.1.1"
_START = """
    from labhelpers import Calico, Canal, Flannel, checkpoint
    from labhelpers.course.as_the_api import as_objects, policy
    from labhelpers.course.chapter07 import strange_network
    from labhelpers.course.questions import mark
    from labhelpers.topology import Snapshot

    lab = checkpoint("07")
    node_1, node_2 = lab.nodes
    mark(lab.nodes, "{id}")
"""
_PODS = """
    client, near, web = net.pod(node_1, "client"), net.pod(node_1, "near"), net.pod(node_2, "web")
    net.wait()
"""
_GIVES = ("lab", "node_1", "node_2")


def _begin(id: str) -> str:
    return _START.replace("{id}", id)


def _started(id: str) -> Lab:
    """The lab of the notebook, if ``start`` of this exercise built it."""
    lab = lab_of_notebook()
    if not marked(lab.nodes, id):
        raise NotFound(f'This lab is not the one that start("{id}") built.')
    return lab


def strange_network(lab: Lab) -> None:
    """Build the network of exercise 7.1, and its three pods.  Shell: see ``lab.commands()``."""
    node_1, node_2 = lab.nodes
    network = Canal().install(lab)
    for node, name in ((node_1, "client"), (node_1, "near"), (node_2, "web")):
        network.pod(node, name)


# --- which network is it? -----------------------------------------------------------------------------------------


def _identity() -> Iterator[Todo]:
    node = _started("7.1").nodes[0]
    found = predicted("found")
    has_switch = any(link.kind == "bridge" for link in node.links())
    across = arrived("client", "web").request
    wire = next((hop for hop in across if hop.place == "underlay/node-1"), None)
    if wire is None:
        raise NotFound("Packets to web do not pass the underlay any more.")
    same = "switched" if has_switch else "routed"
    between = "VXLAN" if wire.header("VXLAN") else "plain"
    name = "Flannel" if has_switch else "Canal" if between == "VXLAN" and _has(node, "flannel.1") else "Calico"
    yield compared("client and near: switched or routed", found.get("same node"), same)
    yield compared("between the nodes: plain, IPIP, VXLAN or WireGuard", found.get("between"), between)
    yield compared("bytes that a packet grows by", found.get("bytes"), wire.length - across[0].length)
    yield _named(found.get("name"), name)


#: what is not so on the nodes of exercise 7.1, as they are Canal's
_CONTRADICTS = {
    "flannel": "Flannel's pods are plugged into a switch, cni0, and node-1 has none",
    "weave": "Weave's pods are plugged into a switch, weave, and node-1 has none",
    "cilium": "Cilium's cables end at lxc…, and those of node-1 do not",
    "calico": "Calico makes no flannel.1, and node-1 has one",
}


def _named(said: object, name: str) -> Todo:
    row = compared("the network's name", said, name)
    why = _CONTRADICTS.get(str(said).strip().casefold(), "") if name == "Canal" else ""
    return row if row.ok or not why else Todo(False, row.what, why)


def _has(node: Node, device: str) -> bool:
    return any(link.name == device for link in node.links())


# --- repairs ------------------------------------------------------------------------------------------------------


def _pod(node: Node, name: str) -> CniPod:
    if not cni_pods.exists(node, name):
        raise NotFound(f"There is no pod {name} on {node.name} any more.")
    return cni_pods.find(node, name)


def _reaches(source: str, target: str) -> Todo:
    seen = walk(source, target, timeout=_PATIENCE)
    return Todo(bool(seen), f"{source} reaches {target}", str(seen.why))


def _gateway() -> Iterator[Todo]:
    node = _started("7.2").nodes[0]
    owners = [state.name for state in Snapshot.take() if f"{_GATEWAY}/32" in state.addresses]
    yield Todo(not owners, f"nobody has the address {_GATEWAY}", f"{', '.join(owners)} has it")
    client = _pod(node, "client")
    written = [one for one in client.neighbours() if one.state == "permanent"]
    default = [route.via for route in client.routes().where(destination="default")]
    as_made = default == [_GATEWAY] and not written
    yield Todo(as_made, "client is as the plugin made it", "another gateway, or a neighbour written by hand")
    for name in ("client", "near"):
        yield _has_route(node, _pod(node, name))
    for source, target in (("client", "near"), ("client", "web"), ("web", "near")):
        yield _reaches(source, target)


def _has_route(node: Node, pod: CniPod) -> Todo:
    cable = Snapshot.take().peer(pod.name, "eth0")
    routes = [route.device for route in node.routes().where(destination=f"{pod.address}/32")]
    what = f"{node.name} has a route to {pod.name}, by its cable"
    return Todo(cable is not None and routes == [cable.link], what, f"it goes by {routes[0]}" if routes else "none")


def _session() -> Iterator[Todo]:
    lab = _started("7.3")
    for node in lab.nodes:
        states = [one.state for one in control.sessions(node)]
        # in which state it fails, again and again, differs from moment to moment
        why = f"it is not; net.carrier.sessions({node.name.replace('-', '_')}) says more"
        yield Todo(states == ["Established"], f"{node.name}'s session is Established", why)
    for node, other in zip(lab.nodes, reversed(lab.nodes), strict=True):
        writers = [route.protocol for route in node.routes().where(destination=other.pod_cidr)]
        what = f"{node.name}'s only route to {other.pod_cidr} was written by BIRD"
        yield Todo(writers == ["bird"], what, f"written by {', '.join(writers)}" if writers else "there is none")
    yield _reaches("client", "web")


# --- a network that fits ------------------------------------------------------------------------------------------


def _choice() -> Iterator[Todo]:
    lab = _started("7.4")
    node_1, node_2 = lab.nodes
    client, near, web = _pod(node_1, "client"), _pod(node_1, "near"), _pod(node_2, "web")
    beside = _pod(node_2, "beside")
    with web.listen(80):
        for source, may in ((client, True), (near, False), (beside, False)):
            seen = source.connect(web.address, 80, timeout=_PATIENCE)
            what = f"{source.name} {'reaches' if may else 'does not reach'} web on TCP 80"
            yield Todo(seen.ok is may, what, str(seen))
    yield _unreadable(client, web)


def _unreadable(source: Namespace, target: Namespace) -> Todo:
    what = "between the nodes nobody can read what client sends to web"
    seen = walk(source, target, timeout=_PATIENCE)
    if not seen:
        return Todo(False, what, str(seen.why))
    read = [hop.place for hop in seen.hops if hop.namespace == "underlay" and b"walk" in hop.data]
    return Todo(not read, what, f"read at {', '.join(dict.fromkeys(read))}")


def _wishes() -> Iterator[Todo]:
    lab = _started("7.5")
    choice = predicted("choice")
    with only_udp_passes(lab):
        seen = unfulfilled(choice.get("A"), lab, policies=True)
    yield Todo(not seen, "A: a provider that lets only UDP pass; policies count", seen)
    seen = unfulfilled(choice.get("B"), lab, secret=True)
    yield Todo(not seen, "B: nobody between the nodes may read; no policies", seen)
    seen = unfulfilled(choice.get("C"), lab, policies=True, no_longer=True)
    yield Todo(not seen, "C: your own switch, packets must not grow; policies count", seen)


EXERCISES = (
    Exercise(
        id="7.1",
        title="whose network is it",
        task="Two nodes, three pods, and nobody says which network it is. Find out from the kernel.",
        rows=_identity,
        start=_begin("7.1")
        + """
    strange_network(lab)
    found = {"same node": "", "between": "", "bytes": 0, "name": ""}
""",
        gives=(*_GIVES, "found"),
        hints=(
            "`Topology()` shows what there is. `walk` shows the way on the same node, and to the other one.",
            "Is there a switch on the node? Which interface leads to the other node, and what is around the packet on "
            "underlay/node-1?",
            "Cables called cali… come from Calico's plugin, flannel.1 from Flannel. Who has both?",
        ),
        solution="""
            found["same node"] = "routed"
            found["between"], found["bytes"] = "VXLAN", 50
            found["name"] = "Canal"
        """,
        broken="""
            found["same node"] = "routed"
            found["between"], found["bytes"] = "VXLAN", 50
            found["name"] = "Calico"
        """,
    ),
    Exercise(
        id="7.2",
        title="the gateway that nobody is",
        task="Calico: client gets no answer from anybody, near from nobody either. Repair the node; leave the pods.",
        rows=_gateway,
        start=_begin("7.2")
        + """
    net = Calico("vxlan").install(lab)
"""
        + _PODS
        + """
    cable = Snapshot.take().peer("client", "eth0").link
    node_1.sysctl(f"net.ipv4.conf.{cable}.proxy_arp", 0)
    node_1.run(f"ip route delete {near.address}/32", check=True)
""",
        gives=(*_GIVES, "net", "client", "near", "web"),
        hints=(
            "Two faults, one for each pod. `walk` from each of them, and read `why`.",
            "client asks who has 169.254.1.1. Nobody has it, and still somebody has to answer. near's request arrives "
            "at web: what happens to the answer?",
            "`cable = Snapshot.take().peer('client', 'eth0').link` is the cable's end, and its sysctl is "
            "`net.ipv4.conf.CABLE.proxy_arp`. And near needs a route on node-1: `ip route add ADDRESS/32 dev CABLE`.",
        ),
        solution="""
            now = Snapshot.take()
            cable, other = now.peer("client", "eth0").link, now.peer("near", "eth0").link
            node_1.sysctl(f"net.ipv4.conf.{cable}.proxy_arp", 1)
            node_1.run(f"ip route replace {near.address}/32 dev {other} scope link", check=True)
        """,
        broken="""
            now = Snapshot.take()
            cable, other = now.peer("client", "eth0").link, now.peer("near", "eth0").link
            node_1.run(f"ip address add 169.254.1.1/32 dev {cable}", check=True)
            node_1.run(f"ip route replace {near.address}/32 dev {other} scope link", check=True)
        """,
    ),
    Exercise(
        id="7.3",
        title="two that do not talk",
        task="Calico with BGP: the nodes have no routes to each other's pods. BIRD is to write them, nobody else.",
        rows=_session,
        start=_begin("7.3")
        + """
    net = Calico("bgp").install(lab)
"""
        + _PODS
        + """
    node_2.run("sed -i 's/as 64512/as 64521/' /run/bird/mesh.cfg", check=True)
    node_2.run("birdc configure", check=True)
    for node in lab.nodes:
        seconds = net.carrier.wait_until_withdrawn(node)
""",
        gives=(*_GIVES, "net", "client", "near", "web"),
        hints=(
            "`net.carrier.sessions(node_1)` says in which state the session is, and which error ended it.",
            "Which number does each side expect the other to have? `cat /run/bird/mesh.cfg` on both nodes.",
            "Write the right number into node-2's file, then `birdc configure` there, and `net.wait()`.",
        ),
        solution="""
            node_2.run("sed -i 's/as 64521/as 64512/' /run/bird/mesh.cfg", check=True)
            node_2.run("birdc configure", check=True)
            seconds = net.wait()
        """,
        broken="""
            node_1.add_route("10.0.2.0/24", via="192.168.1.11")
            node_2.add_route("10.0.1.0/24", via="192.168.1.10")
        """,
    ),
    Exercise(
        id="7.4",
        title="choose a network",
        task="Only client reaches web, and between the nodes nobody can read it. "
        "There is a network on the nodes already.",
        rows=_choice,
        start=_begin("7.4")
        + """
    net = Flannel().install(lab)
"""
        + _PODS
        + """
    beside = net.pod(node_2, "beside")
    only_client = policy("only-client", "web", only_from="client")
    applied = net.apply(as_objects(net.pods, only_client))
""",
        gives=(*_GIVES, "net", "client", "near", "web", "beside", "only_client", "as_objects"),
        hints=(
            "Two questions: who enforces policies, and who encrypts? Which of the networks does both?",
            "`net.clean()` takes the old network and its pods away. Then install another one, and make the four pods: "
            "client and near on node-1, web and beside on node-2.",
            "`net = Calico(wireguard=True).install(lab)`, four times `net.pod(…)`, "
            "and `net.apply(as_objects(net.pods, only_client))`.",
        ),
        solution="""
            net.clean()
            net = Calico(wireguard=True).install(lab)
            client, near = net.pod(node_1, "client"), net.pod(node_1, "near")
            web, beside = net.pod(node_2, "web"), net.pod(node_2, "beside")
            seconds = net.wait()
            applied = net.apply(as_objects(net.pods, only_client))
        """,
        broken="""
            net.clean()
            net = Flannel("wireguard").install(lab)
            client, near = net.pod(node_1, "client"), net.pod(node_1, "near")
            web, beside = net.pod(node_2, "web"), net.pod(node_2, "beside")
            seconds = net.wait()
            applied = net.apply(as_objects(net.pods, only_client))
        """,
    ),
    Exercise(
        id="7.5",
        title="which would you choose",
        task="For three wishes choose a network. check builds each of them, and asks it with packets.",
        rows=_wishes,
        start=_begin("7.5")
        + """
    from labhelpers.networks import Weave

    choice = {"A": None, "B": None, "C": None}
""",
        gives=(*_GIVES, "choice"),
        hints=(
            "For each wish: who enforces policies, what is around a packet between the nodes, can it be read?",
            "A: VXLAN is UDP, BGP is TCP, IPIP is neither. B: which carrier encrypts? C: which modes wrap nothing?",
            "For A and C you need a network that enforces, so no Flannel. For B any that encrypts: there are three.",
        ),
        solution="""
            choice["A"] = Calico("vxlan")
            choice["B"] = Flannel("wireguard")
            choice["C"] = Calico("bgp")
        """,
        broken="""
            choice["A"] = Flannel()
            choice["B"] = Flannel("wireguard")
            choice["C"] = Calico("vxlan")
        """,
    ),
)
