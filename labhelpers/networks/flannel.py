"""Flannel: a bridge on each node, and one of three ways between the nodes.  It enforces no policies."""

from __future__ import annotations

from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach import OnBridge
from labhelpers.networks.modes import WithModes
from labhelpers.networks.network import Agent, one_of, yes_or_no
from labhelpers.networks.route import Carrier, FlannelWireGuard, HostGateway, Vxlan

__all__ = ["Flannel"]

BACKENDS: dict[str, type[Carrier]] = {"vxlan": Vxlan, "host-gw": HostGateway, "wireguard": FlannelWireGuard}


class Flannel(WithModes):
    """Flannel, as a model of the course on the real kernel; ``about()`` says what is left out.

    Args:
        backend: ``vxlan``, ``host-gw`` or ``wireguard``, which encrypts.
        nat_outgoing: give what leaves the cluster its node's address.

    Raises:
        BadInput: there is no such backend.
    """

    name = "flannel"
    file = "10-flannel.conflist"
    modes = BACKENDS
    agent = Agent("kube-flannel-ds", ("app", "flannel"), "kube-flannel", "flannel/flannel:v0.28.9")

    def __init__(self, backend: str = "vxlan", *, nat_outgoing: bool = True) -> None:
        self.attach = OnBridge("cni0")
        self.route = one_of(BACKENDS, "Flannel backend", backend)
        self.nat_outgoing = yes_or_no("nat_outgoing", nat_outgoing)
        self.options = {"backend": backend, "nat_outgoing": nat_outgoing}

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        return Rows(_ABOUT, "Flannel: the product and this model")


_ABOUT = [
    About(
        "agent",
        "flanneld on each node, a DaemonSet; it watches Nodes, or etcd",
        "an agent on each node that watches Nodes, in Python",
        "etcd as a store of leases",
    ),
    About(
        "addresses",
        "a /24 for each node, from the Node's podCIDR; written to /run/flannel/subnet.env",
        "the Node's podCIDR",
        "subnet.env and the plugin that reads it: the agent writes the CNI configuration itself",
    ),
    About(
        "pods",
        "the reference plugin bridge (cni0) with host-local, portmap chained",
        "a bridge cni0, addresses from the node's block",
        "portmap",
    ),
    About(
        "vxlan",
        "device flannel.1, VNI 1, UDP 8472; for each other node a route, a neighbour and an fdb entry",
        "the same entries on the kernel's own device",
        "DirectRouting, IPv6",
    ),
    About("host-gw", "one route for each other node", "the same", "nothing", checked="2026-11-24"),
    About(
        "wireguard",
        "device flannel-wg, UDP 51820, keys made on each node",
        "the same device; wireguard-go where the kernel has no WireGuard",
        "secret keys: they follow from the names of the nodes",
    ),
    About("other backends", "udp, ipip, ipsec and others", "none", "all of them"),
    About(
        "policies",
        "none by itself; the Helm chart can add kube-network-policies",
        "none: a NetworkPolicy has no effect",
        "the addition",
        checked="2026-11-24",
    ),
    About(
        "outgoing packets",
        "masquerade by rules of iptables or nftables",
        "masquerade by one rule of nftables",
        "iptables",
    ),
]
