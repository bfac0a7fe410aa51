"""A cable from each pod straight to the node, which routes, as Calico does it."""

from __future__ import annotations

from typing import Any

from labhelpers.lab import Node
from labhelpers.networks.attach.attach import ipam

__all__ = ["Routed"]


class Routed:
    """Each pod has a /32 address and a gateway that nobody has: 169.254.1.1, for which the node answers ARP."""

    def plugin(self, node: Node, mtu: int) -> dict[str, Any]:
        """See ``Attach.plugin``."""
        return {"type": "lab-calico", "mtu": mtu, "ipam": ipam(node)}

    def clean(self, node: Node) -> None:
        """Nothing: cables and routes go with their pods."""
