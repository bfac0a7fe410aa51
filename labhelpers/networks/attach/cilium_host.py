"""``cilium_host``: the node's own address in its pods' block, on one end of a cable whose other end is ``cilium_net``.

Nothing travels by it here: it is where the address is.  In the product, programs at both ends handle what the node
itself sends to its pods and gets from them.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.linux import address, link, veth
from labhelpers.networks.attach.attach import delete_link

if TYPE_CHECKING:
    from labhelpers.networks.route.other import Other

__all__ = ["HOST", "clean", "ensure", "router_of"]

HOST, _NET = "cilium_host", "cilium_net"


def router_of(node: Other) -> str:
    """The address of a node's ``cilium_host``: its pods' gateway, and whose name it bears towards other nodes' pods."""
    return str(IPv4Network(node.pod_cidr)[1])


def ensure(node: Node) -> bool:
    """Make the pair, up and with its address, as far as it is not there.

    Returns:
        was anything changed?

    Shell: ``ip link add cilium_host type veth peer name cilium_net``, ``ip address add 10.0.1.1/32 dev cilium_host``.
    """
    there = {one.name: one for one in node.links()}
    host, net, wanted = there.get(HOST), there.get(_NET), f"{router_of(node)}/32"
    if host and net and host.up and net.up and wanted in host.addresses:
        return False
    with node.changes() as changes:
        if host is None:
            plugs = [veth.Plug(name, mac_of_link(node.name, name)) for name in (HOST, _NET)]
            veth.add(changes, *plugs)
        if host is None or wanted not in host.addresses:
            address.add(changes, HOST, wanted)
        link.up(changes, HOST)
        link.up(changes, _NET)
    return True


def clean(node: Node) -> None:
    """Delete the pair, if it is there.  Shell: ``ip link delete cilium_host``."""
    delete_link(node, HOST)
