"""``Attach``: what every way to attach pods to a node has in common."""

from __future__ import annotations

from typing import Any, Protocol

from labhelpers.lab import Node
from labhelpers.linux import link

__all__ = ["CNI_VERSION", "Attach", "delete_link", "ipam"]

#: the newest version of CNI that the reference plugins of Debian 12 speak
CNI_VERSION = "1.0.0"


class Attach(Protocol):
    """The first part of a pod network."""

    def plugin(self, node: Node, mtu: int) -> dict[str, Any]:
        """The configuration of the main plugin on a node.  Touches no kernel.

        Args:
            mtu: bytes, the largest packet that a pod may send.
        """
        ...

    def clean(self, node: Node) -> None:
        """Remove what the plugin leaves on a node when its last pod has gone."""
        ...


def ipam(node: Node) -> dict[str, Any]:
    """Addresses from the node's own block."""
    return {"type": "lab-host-local", "ranges": [[{"subnet": node.pod_cidr}]], "routes": [{"dst": "0.0.0.0/0"}]}


def delete_link(node: Node, name: str) -> None:
    """Delete an interface of a node, if it is there.  Shell: ``ip link delete NAME``."""
    if any(one.name == name for one in node.links()):
        with node.changes() as changes:
            link.delete(changes, name)
