"""How a pod is attached to its node: what stands in the node's /etc/cni/net.d."""

from labhelpers.networks.attach.attach import Attach
from labhelpers.networks.attach.bridge import OnBridge
from labhelpers.networks.attach.on_cilium import OnCilium
from labhelpers.networks.attach.routed import Routed

__all__ = ["Attach", "OnBridge", "OnCilium", "Routed"]
