"""Cilium: pods with a cable and no bridge, identities in place of addresses, and a datapath where packets come in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from labhelpers.errors import BadInput
from labhelpers.lab import Node, flow_events
from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach import OnCilium
from labhelpers.networks.cilium.choose import DATAPATHS, chosen
from labhelpers.networks.cilium.doorbell import Doorbell
from labhelpers.networks.cilium.listening import events_of
from labhelpers.networks.cilium.node import CiliumNode
from labhelpers.networks.network import Agent, Network, yes_or_no
from labhelpers.networks.route import Carrier, CiliumNative, CiliumVxlan
from labhelpers.networks.route.other import Other

__all__ = ["Cilium"]

flow_events.register(events_of)
_TUNNELS: dict[str, type[Carrier]] = {"vxlan": CiliumVxlan, "": CiliumNative}


class Cilium(Network):
    """Cilium, as a model of the course on the real kernel; ``about()`` says what is left out.

    Args:
        datapath: what moves and judges packets: ``ebpf``, which only real root may load, or ``nft``, its twin for
            everybody.  By default the first where it can be loaded, the second elsewhere.
        tunnel: ``vxlan`` (the default: each packet carries its sender's identity), or ``""`` for plain routes.
        nat_outgoing: give what leaves the cluster its node's address.

    Raises:
        BadInput: there is no such datapath or tunnel.
    """

    name = "cilium"
    file = "05-cilium.conflist"
    agent = Agent("cilium", ("k8s-app", "cilium"), "cilium-agent", "quay.io/cilium/cilium:v1.19.5")
    knows_pods = True
    knows_services = True
    steps = "changes to the datapath"

    def __init__(self, datapath: str = "", *, tunnel: str = "vxlan", nat_outgoing: bool = True) -> None:
        if not isinstance(datapath, str) or datapath not in ("", *DATAPATHS):
            raise BadInput(
                f"There is no datapath {datapath!r}.",
                f"Choose one of {', '.join(DATAPATHS)}, or leave it out for the best that works here.",
            )
        if not isinstance(tunnel, str) or tunnel not in _TUNNELS:
            raise BadInput(f"There is no tunnel {tunnel!r}.", 'Choose "vxlan", or "" for plain routes.')
        self.attach = OnCilium()
        self.route = _TUNNELS[tunnel]
        self.enforces = True
        self.nat_outgoing = yes_or_no("nat_outgoing", nat_outgoing)
        self._datapath, self._tunnel = datapath, bool(tunnel)
        self.options = {"datapath": datapath, "tunnel": tunnel, "nat_outgoing": nat_outgoing}

    def enforcer(self, node: Node, peers: Callable[[], Sequence[Other]]) -> CiliumNode:
        """See ``Network.enforcer``.

        Raises:
            NeedsPrivilege, KernelFeatureMissing: eBPF was asked for by name, and cannot be loaded here.
        """
        return CiliumNode(node, peers, chosen(self._datapath)(node), tunnel=self._tunnel)

    def on_new_pods(self, node: Node, look: Callable[[], object]) -> None:
        """See ``Network.on_new_pods``."""
        Doorbell(node.root, look)  # for as long as the agent lives

    @property
    def running(self) -> str:
        """See ``Network.running``."""
        return chosen(self._datapath).way

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        return Rows(_ABOUT, "Cilium: the product and this model")


_ABOUT = [
    About(
        "agent",
        "cilium-agent on each node and an operator; Hubble for what is seen",
        "an agent on each node that watches the API, in Python; observe() for what is seen",
        "the operator, Hubble's relay and web page, Cilium's own kinds of objects",
    ),
    About(
        "pods",
        "veth with a /32, host end lxc…, gateway is the node's cilium_host; netkit where it is chosen",
        "the same veth; each node has a route to each of its pods",
        "netkit, IPv6",
    ),
    About(
        "datapath",
        "eBPF programs at the pods' interfaces, at eth0 and at the tunnel",
        "eBPF programs in C at the same places; or the same decisions by nftables there, for who may not load eBPF",
        "XDP, load balancing in sockets, and most else",
    ),
    About(
        "identities",
        "a number for each set of labels that matter, from 256 on and counted up in the API; 1 to 255 are reserved",
        "a number from the same range that follows from the labels alone; the reserved ones are the same",
        "objects in the API; a number may change hands when two digests meet",
        checked="2026-11-29",
    ),
    About(
        "between nodes",
        "VXLAN on UDP 8472, which carries the sender's identity, by default; Geneve or native routing by choice",
        "VXLAN on the kernel's own device, with the sender's identity as network identifier; or plain routes",
        "Geneve, BGP",
        checked="2026-11-29",
    ),
    About(
        "policies",
        "NetworkPolicy and its own kinds; an ipBlock means nobody in the cluster unless the agent is told so for nodes",
        "NetworkPolicy; an ipBlock means whoever has the address, pods too, as in the course's other networks",
        "its own kinds; names of DNS",
        checked="2026-11-29",
    ),
    About(
        "HTTP",
        "Envoy on each node judges methods and paths",
        "a proxy in Python on each node judges methods and paths of HTTP/1",
        "HTTP/2 and so gRPC, TLS; Kafka, which the product knew up to v1.19",
    ),
    About(
        "services",
        "all of them, for pods, for the node and for others outside, in place of kube-proxy if it is told so",
        "those that name a clusterIP and select pods, for pods",
        "NodePort, LoadBalancer, the node's own connections",
    ),
    About(
        "encryption",
        "WireGuard or IPsec by choice",
        "none; the models of Calico and Flannel have WireGuard",
        "all of it",
        checked="2026-11-25",
    ),
]
