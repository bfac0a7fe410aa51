"""Make a bridge hand what its pods send one another to the node, where policies are enforced.

A bridge forwards frames between its ports on its own, and the node's firewall sees none of them.  With isolated ports
it does not, and with ``proxy_arp_pvlan`` the node answers when a pod asks who has a neighbour's address: the packets go
up to the node, which routes them down again through the firewall.  Unlike ``br_netfilter`` this needs no kernel module.

Source: ``man 8 bridge`` (isolated), Documentation/networking/ip-sysctl.rst (proxy_arp_pvlan).
"""

from __future__ import annotations

from labhelpers.lab import Node
from labhelpers.linux import link, sysctl, tables
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["through_the_node"]


def through_the_node(node: Node | NetworkNamespace, bridge: str = "cni0") -> tuple[str, ...]:
    """Isolate the bridge's ports from one another, and let the node answer ARP for their pods.

    To be called again when pods were added: the port of a new one is not isolated.  A pod that had learned a
    neighbour's hardware address loses packets until it asks again.

    Args:
        node: or, for an agent, the node's namespace.

    Returns:
        what was changed, as commands; nothing if it is so already, or there is no such bridge.

    Shell: ``bridge link set dev PORT isolated on``, ``sysctl -qw net.ipv4.conf.BRIDGE.proxy_arp_pvlan=1``,
    ``… send_redirects=0``.
    """
    namespace = node if isinstance(node, NetworkNamespace) else node._kernel
    with namespace.changes() as changes:
        links = tables.read_links(changes.socket)
        if not any(one.name == bridge and one.kind == "bridge" for one in links):
            return ()
        for name, value in _settings(bridge):
            if namespace.visit(lambda name=name: sysctl.read(name)) != value:  # type: ignore[misc]
                namespace.visit(lambda name=name, value=value: sysctl.write(name, value))  # type: ignore[misc]
                changes.ran(f"sysctl -qw {name}={value}")
        for port in links:
            if port.master == bridge and ("isolated", "on") not in port.details:
                link.set_isolated(changes, port.name)
        changes.apply()
        return tuple(changes.done)


def _settings(bridge: str) -> tuple[tuple[str, str], ...]:
    """Without redirects, because the node would tell pods to talk to one another directly, which they cannot."""
    return (
        (f"net.ipv4.conf.{bridge}.proxy_arp_pvlan", "1"),
        (f"net.ipv4.conf.{bridge}.send_redirects", "0"),
        ("net.ipv4.conf.all.send_redirects", "0"),
    )
