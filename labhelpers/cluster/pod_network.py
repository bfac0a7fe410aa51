"""The network that a cluster is made with: which configuration each node gets, and what carries packets between nodes.

Without one the nodes are there and not ready, as on a cluster on which nobody has installed a network yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from labhelpers.cni import Runtime
from labhelpers.errors import BadInput
from labhelpers.lab import Lab, Node
from labhelpers.networks.route.carrier import Carrier
from labhelpers.networks.route.host_gateway import HostGateway
from labhelpers.networks.route.vxlan import Vxlan

__all__ = ["NETWORKS", "PodNetwork", "network_named"]

_CNI_VERSION = "1.0.0"  # the newest that the reference plugins of Debian 12 speak


def _bridge(node: Node, **options: Any) -> dict[str, Any]:
    ranges = [[{"subnet": node.pod_cidr}]]
    ipam = {"type": "lab-host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]}
    return {"type": "lab-bridge", "bridge": "cni0", "isGateway": True, "ipam": ipam, **options}


@dataclass(frozen=True, slots=True)
class PodNetwork:
    """One choice of ``--cni``."""

    name: str
    #: the file in /etc/cni/net.d
    file: str
    plugin: Callable[..., dict[str, Any]]
    carrier: Callable[..., Carrier]

    def configure(self, node: Node) -> None:
        """Write the node's network configuration."""
        # packets between nodes grow by what they are wrapped in, and must still fit
        overhead = getattr(self.carrier, "overhead", 0)
        options = {"mtu": 1500 - overhead} if overhead else {}
        config = {"cniVersion": _CNI_VERSION, "name": self.name, "plugins": [self.plugin(node, **options)]}
        Runtime(node, observe=False).configure(config, self.file)

    def connect(self, lab: Lab) -> Carrier | None:
        """Bring packets from node to node, if there is more than one."""
        return self.carrier(lab) if len(lab.nodes) > 1 else None


NETWORKS = {
    "bridge": PodNetwork("bridge", "10-bridge.conflist", _bridge, HostGateway),
    "flannel": PodNetwork("flannel", "10-flannel.conflist", _bridge, Vxlan),
}


def network_named(name: str) -> PodNetwork | None:
    """The network of this name; ``none`` is none.

    Raises:
        BadInput: there is none of this name here.
    """
    if name == "none":
        return None
    if name not in NETWORKS:
        raise BadInput(
            f"There is no network {name!r} for a cluster here.", f"Choose one of {', '.join(NETWORKS)}, none."
        )
    return NETWORKS[name]
