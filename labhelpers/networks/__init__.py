"""CNI families, each a short composition of parts: how pods are attached, routed, and guarded."""

from labhelpers.networks.about import About
from labhelpers.networks.calico import Calico
from labhelpers.networks.canal import Canal
from labhelpers.networks.cilium.network import Cilium
from labhelpers.networks.flannel import Flannel
from labhelpers.networks.http_policy import HttpPolicy
from labhelpers.networks.installed import Installed
from labhelpers.networks.network import Network
from labhelpers.networks.plain_bridge import PlainBridge
from labhelpers.networks.weave_net import Weave

__all__ = [
    "About",
    "Calico",
    "Canal",
    "Cilium",
    "Flannel",
    "HttpPolicy",
    "Installed",
    "Network",
    "PlainBridge",
    "Weave",
]
