"""A cable from each pod to the node, with nothing at the node's end but what judges and moves packets: no bridge."""

from __future__ import annotations

from typing import Any

from labhelpers.lab import Node
from labhelpers.networks.attach import cilium_host
from labhelpers.networks.attach.attach import ipam

__all__ = ["OnCilium"]


class OnCilium:
    """Each pod has a /32 address and the node's ``cilium_host`` as gateway; the node's end is called ``lxc…``."""

    def plugin(self, node: Node, mtu: int) -> dict[str, Any]:
        """See ``Attach.plugin``."""
        return {"type": "lab-cilium", "mtu": mtu, "ipam": ipam(node)}

    def clean(self, node: Node) -> None:
        """Delete ``cilium_host``.  Shell: ``ip link delete cilium_host``."""
        cilium_host.clean(node)
