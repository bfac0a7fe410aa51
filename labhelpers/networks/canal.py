"""Canal: pods and policies as in Calico, packets between nodes as in Flannel."""

from __future__ import annotations

from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach import Routed
from labhelpers.networks.network import Agent, Network, yes_or_no
from labhelpers.networks.route import Vxlan

__all__ = ["Canal"]


class Canal(Network):
    """Canal, as a model of the course on the real kernel; ``about()`` says what is left out.

    Args:
        nat_outgoing: give what leaves the cluster its node's address.
    """

    name = "canal"
    file = "10-canal.conflist"
    agent = Agent("canal", ("k8s-app", "canal"), "calico-node", "calico/node:v3.32.1")

    def __init__(self, *, nat_outgoing: bool = True) -> None:
        self.attach = Routed()
        self.route = Vxlan
        self.enforces = True
        self.nat_outgoing = yes_or_no("nat_outgoing", nat_outgoing)
        self.options = {"nat_outgoing": nat_outgoing}

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        return Rows(_ABOUT, "Canal: the product and this model")


_ABOUT = [
    About(
        "what it is",
        "no product of its own: a manifest that Calico ships, with Calico's agent and flanneld in one pod",
        "the parts of this course's Calico and Flannel, in one agent",
        "a second container",
    ),
    About("pods", "Calico's plugin: veth, /32, 169.254.1.1; no cni0", "the same", "IPv6"),
    About(
        "between nodes",
        "Flannel's VXLAN: flannel.1, VNI 1, UDP 8472",
        "the same, on the kernel's own device",
        "Flannel's other backends",
    ),
    About("policies", "Calico's Felix", "as this course's Calico", "as there"),
]
