"""Carriers: how packets get from a node to another node's pods.  Each is real, and says which of its ways it took."""

from labhelpers.networks.route.bgp import Bgp, BgpOverIpInIp
from labhelpers.networks.route.carrier import Carrier, Leg
from labhelpers.networks.route.cilium import CiliumNative, CiliumVxlan
from labhelpers.networks.route.host_gateway import HostGateway
from labhelpers.networks.route.ip_in_ip import IpInIp
from labhelpers.networks.route.other import Known, Other
from labhelpers.networks.route.vxlan import CalicoVxlan, Vxlan
from labhelpers.networks.route.vxlan_cross_subnet import CalicoVxlanCrossSubnet
from labhelpers.networks.route.vxlan_learning import VxlanLearning
from labhelpers.networks.route.wireguard import FlannelWireGuard, WireGuard

__all__ = [
    "Bgp",
    "BgpOverIpInIp",
    "CalicoVxlan",
    "CalicoVxlanCrossSubnet",
    "Carrier",
    "CiliumNative",
    "CiliumVxlan",
    "FlannelWireGuard",
    "HostGateway",
    "IpInIp",
    "Known",
    "Leg",
    "Other",
    "Vxlan",
    "VxlanLearning",
    "WireGuard",
]
