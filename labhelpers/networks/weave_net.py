"""Weave: one Ethernet over all nodes, and a router on each in user space.  History: nobody maintains it any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from labhelpers.errors import BadInput
from labhelpers.lab import Lab, Node
from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach.mesh import OnMesh
from labhelpers.networks.installed import Installed
from labhelpers.networks.network import Agent, Network, yes_or_no
from labhelpers.networks.route.mesh import Mesh
from labhelpers.networks.weave import bridge

__all__ = ["Weave"]


class Weave(Network):
    """Weave, as a model of the course on the real kernel; ``about()`` says what is left out.

    Args:
        password: encrypt what goes to other nodes; then all of it goes through the routers.
        fast: let the kernel's VXLAN carry frames to neighbours, as Weave did where it could.
        npc: enforce NetworkPolicies.  Without, all pods are on one Ethernet and see each other's broadcasts.
        subnet: of all pods; the nodes' blocks must be inside.
        links: which nodes are connected with which, as pairs of names; all with all by default.
        nat_outgoing: give what leaves the cluster its node's address.

    Raises:
        BadInput: a setting cannot be.
    """

    name = "weave"
    file = "10-weave.conflist"
    agent = Agent("weave-net", ("name", "weave-net"), "weave", "weaveworks/weave-kube:2.8.1")

    def __init__(
        self,
        *,
        password: str = "",
        fast: bool = True,
        npc: bool = True,
        subnet: str = Mesh.subnet,
        links: Iterable[Sequence[str]] | None = None,
        nat_outgoing: bool = True,
    ) -> None:
        if not isinstance(password, str):
            raise BadInput(f"password={password!r} is no text.", "Write password='…', or leave it out.")
        self._subnet = _block(subnet)
        self._links = None if links is None else _pairs(links)
        self.enforces = yes_or_no("npc", npc)
        self.attach = OnMesh(self._subnet, guarded=npc)
        self.route = Mesh.like_this(
            password=password, fast=yes_or_no("fast", fast), guarded=npc, subnet=self._subnet, links=self._links
        )
        self.nat_outgoing = yes_or_no("nat_outgoing", nat_outgoing)
        self.options = {
            "password": password,
            "fast": fast,
            "npc": npc,
            "subnet": self._subnet,
            "links": self._links,
            "nat_outgoing": nat_outgoing,
        }

    def configure(self, node: Node) -> None:
        """See ``Network.configure``; the bridge is made before the first pod is attached."""
        bridge.ensure(node, self._subnet, guarded=self.enforces)
        super().configure(node)

    def install(self, lab: Lab) -> Installed:
        """See ``Network.install``.  Raises ``BadInput`` too if ``links`` leave a node without a way to another."""
        if self._links is not None and isinstance(lab, Lab):
            _require_connected([node.name for node in lab.nodes], self._links)
        return super().install(lab)

    def __repr__(self) -> str:
        """Agents write it into their logs."""
        return (
            super()
            .__repr__()
            .replace(f"password={self.options['password']!r}", "password=…", bool(self.options["password"]))
        )

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        return Rows(_ABOUT, "Weave: the product and this model")


def _block(value: object) -> str:
    try:
        return str(IPv4Network(value))
    except ValueError as error:
        raise BadInput(f"subnet={value!r} is no IPv4 block: {error}.", "Write it like '10.0.0.0/16'.") from None


def _pairs(links: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    pairs = []
    for one in links:
        if isinstance(one, str) or len(one) != 2 or not all(isinstance(name, str) for name in one) or one[0] == one[1]:
            raise BadInput(f"{one!r} is no pair of two nodes' names.", "Write links=[('node-1', 'node-2'), …].")
        pairs.append((one[0], one[1]))
    return pairs


def _require_connected(nodes: Sequence[str], links: Sequence[tuple[str, str]]) -> None:
    reached, before = set(nodes[:1]), set[str]()
    while reached != before:
        before = set(reached)
        reached |= {name for pair in links if reached & set(pair) for name in pair}
    if lost := [name for name in nodes if name not in reached]:
        raise BadInput(
            f"By these links there is no way from {nodes[0]} to {lost[0]}.",
            "Any connected graph will do, such as a line: a link from each node to the next one.",
        )


_ABOUT = [
    About(
        "state",
        "history: its company stopped early in 2024, nobody maintains it, its repositories are archived; others keep "
        "a fork",
        "shows how a mesh in user space works",
        "a reason to choose it",
        checked="2026-11-29",
    ),
    About(
        "agent",
        "weave-net, a DaemonSet: the router weaver in one container, weave-npc in another",
        "an agent on each node that watches the API, and a router weaver, both in Python",
        "weave-npc as a program of its own, the command weave",
    ),
    About(
        "addresses",
        "one subnet, 10.32.0.0/12, shared out among the peers by themselves, whoever comes and goes",
        "one subnet; each node gives away those of its own Node's podCIDR",
        "sharing out and claiming back, weaveDNS",
    ),
    About(
        "pods",
        "veth to a bridge weave; all pods of all nodes are on one Ethernet",
        "the same; with policies the bridge hands every packet to its node",
        "multicast that is asked for, several subnets",
    ),
    About(
        "topology",
        "peers gossip by TCP 6783 who is connected with whom; any connected graph, others pass frames on",
        "the same rules, messages in JSON",
        "finding peers by themselves: each is told its neighbours",
    ),
    About(
        "sleeve",
        "frames in UDP 6783, by a user-space program; several in a datagram",
        "the same by a Python program and a packet socket: slower than the product, never to be ranked",
        "UDP 6783 as it is on the product's wire, finding the largest packet",
    ),
    About(
        "fast datapath",
        "Open vSwitch in the kernel, VXLAN on UDP 6784, told by the router where addresses live",
        "the kernel's bridge and VXLAN device, told by the router in the same way",
        "Open vSwitch; across more than one hop",
    ),
    About(
        "encryption",
        "with a password: NaCl for messages and sleeve, IPsec's ESP for the fast datapath",
        "with a password: NaCl, by PyNaCl; everything goes by sleeve then",
        "ESP",
    ),
    About(
        "policies",
        "weave-npc: iptables and ipset, for what crosses the bridge too by br_netfilter",
        "NetworkPolicy, compiled to one table of nftables; isolated ports of the bridge and an ARP that the node "
        "answers, as br_netfilter cannot be loaded here",
        "IPv6",
    ),
    About(
        "outgoing packets",
        "masquerade by iptables",
        "masquerade by one rule of nftables",
        "iptables",
    ),
]
