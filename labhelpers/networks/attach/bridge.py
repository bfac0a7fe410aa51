"""A bridge on each node, to which every pod has a cable."""

from __future__ import annotations

from typing import Any

from labhelpers.lab import Node
from labhelpers.networks.attach.attach import delete_link, ipam

__all__ = ["OnBridge"]


class OnBridge:
    """Pods of one node are on one Ethernet segment; the bridge has the gateway's address, and the node forwards.

    Args:
        name: of the bridge.
    """

    def __init__(self, name: str = "cni0") -> None:
        self._name = name

    def plugin(self, node: Node, mtu: int) -> dict[str, Any]:
        """See ``Attach.plugin``."""
        return {"type": "lab-bridge", "bridge": self._name, "isGateway": True, "mtu": mtu, "ipam": ipam(node)}

    def clean(self, node: Node) -> None:
        """Delete the bridge.  Shell: ``ip link delete cni0``."""
        delete_link(node, self._name)
