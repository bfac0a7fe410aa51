"""Calico: each pod has a cable to its node and a route of its own, no bridge; routes between nodes; policies."""

from __future__ import annotations

from labhelpers.errors import BadInput
from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach import Routed
from labhelpers.networks.modes import WithModes
from labhelpers.networks.network import Agent, one_of, yes_or_no
from labhelpers.networks.route import Bgp, BgpOverIpInIp, CalicoVxlan, CalicoVxlanCrossSubnet, Carrier, WireGuard

__all__ = ["Calico"]

MODES: dict[str, type[Carrier]] = {
    "ipip": BgpOverIpInIp,
    "vxlan": CalicoVxlan,
    "vxlan-cross-subnet": CalicoVxlanCrossSubnet,
    "bgp": Bgp,
}
_DEFAULT = "ipip"  # that of Calico's manifest, which minikube installs; its operator's is VXLANCrossSubnet


class Calico(WithModes):
    """Calico, as a model of the course on the real kernel, with a real BIRD; ``about()`` says what is left out.

    Args:
        mode: how packets get to other nodes: ``ipip`` (the default: BIRD's routes, wrapped), ``vxlan``,
            ``vxlan-cross-subnet`` or ``bgp`` (BIRD's routes, nothing wrapped).
        nat_outgoing: give what leaves the cluster its node's address.
        wireguard: encrypt what goes to other nodes; then nothing else wraps it, and no mode can be chosen.

    Raises:
        BadInput: there is no such mode, or it contradicts ``wireguard``.
    """

    name = "calico"
    file = "10-calico.conflist"
    modes = MODES
    agent = Agent("calico-node", ("k8s-app", "calico-node"), "calico-node", "calico/node:v3.32.1")

    def __init__(self, mode: str = "", *, nat_outgoing: bool = True, wireguard: bool = False) -> None:
        if yes_or_no("wireguard", wireguard) and mode:
            raise BadInput(
                f"mode={mode!r} and wireguard=True contradict each other here: one thing carries the packets.",
                f"Leave one of them out; modes without encryption are {', '.join(MODES)}.",
            )
        self.attach = Routed()
        self.route = WireGuard if wireguard else one_of(MODES, "Calico mode", mode or _DEFAULT)
        self.enforces = True
        self.nat_outgoing = yes_or_no("nat_outgoing", nat_outgoing)
        self.options = {"mode": mode, "nat_outgoing": nat_outgoing, "wireguard": wireguard}

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        return Rows(_ABOUT, "Calico: the product and this model")


_ABOUT = [
    About(
        "agent",
        "calico-node on each node: Felix, BIRD and confd; Typha between them and the API server in large clusters",
        "an agent on each node that watches the API, in Python, and a real BIRD",
        "confd, Typha, kube-controllers, Calico's own API",
    ),
    About(
        "pods",
        "veth with a /32, gateway 169.254.1.1 answered by proxy ARP, host end cali… with MAC ee:ee:ee:ee:ee:ee, a "
        "route for each pod",
        "the same",
        "names that follow from the pod's name; IPv6",
    ),
    About(
        "addresses",
        "blocks of 26 bits from a pool, given to nodes as they need them",
        "the Node's podCIDR",
        "pools and blocks that move",
    ),
    About(
        "bgp",
        "BIRD on each node, a full mesh of AS 64512",
        "a real BIRD 2 with the same configuration",
        "route reflectors, peers outside the cluster",
    ),
    About(
        "ipip",
        "device tunl0; routes by BIRD up to v3.32, by Felix from v3.33",
        "tunl0, a program with a TUN device where the kernel has no IPIP; routes by BIRD",
        "the newer way",
    ),
    About(
        "vxlan",
        "device vxlan.calico, VNI 4096, UDP 4789; routes by Felix; VXLANCrossSubnet wraps only between subnets",
        "the same, on the kernel's own device",
        "IPv6",
    ),
    About(
        "default mode",
        "IPIP in the manifest, VXLANCrossSubnet with the operator",
        "ipip",
        "the operator",
        checked="2026-11-25",
    ),
    About(
        "wireguard",
        "device wireguard.cali, a table and a rule; the mode's own routes stay beside it",
        "the same device, table and rule; wireguard-go where the kernel has no WireGuard",
        "the routes beside it; secret keys: they follow from the names of the nodes",
    ),
    About(
        "policies",
        "Felix: iptables, nftables (chosen by itself from v3.32) or eBPF; NetworkPolicy and Calico's own kinds",
        "NetworkPolicy, compiled to one table of nftables",
        "Calico's own policies, tiers, eBPF, IPv6",
    ),
    About(
        "outgoing packets",
        "natOutgoing of the pool",
        "masquerade by one rule of nftables",
        "a setting for each pool",
    ),
]
