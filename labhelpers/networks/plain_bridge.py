"""A bridge on each node and plain routes: a network without a product's name, and without an agent."""

from __future__ import annotations

from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach import OnBridge
from labhelpers.networks.network import Network
from labhelpers.networks.route import HostGateway

__all__ = ["PlainBridge"]


class PlainBridge(Network):
    """The network of ``minikube start --cni=bridge``: whoever makes the nodes also configures them."""

    name = "bridge"
    file = "10-bridge.conflist"

    def __init__(self) -> None:
        self.attach = OnBridge("cni0")
        self.route = HostGateway
        self.nat_outgoing = False
        self.options = {}

    def about(self) -> Rows[About]:
        """See ``Network.about``."""
        rows = [
            About(
                "agent",
                "none: minikube writes the configuration",
                "none: the cluster does",
                "portmap and firewall, which minikube chains",
            )
        ]
        return Rows(rows, "bridge: minikube's and this one")
