"""The bridge ``weave`` of a node, and the cable by which the router gets its frames.

With ``guarded`` pods cannot reach one another over the bridge itself: every packet goes up to the node, which answers
ARP for all pods, lets it pass its firewall, and sends it down again.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from labhelpers.errors import BadInput
from labhelpers.lab import Node
from labhelpers.lab.fixed import mac_of_link
from labhelpers.linux import address, bridge, bridge_port, link, nft_library, offload, veth, vxlan
from labhelpers.networks.weave.settings import BRIDGE, FAST, FROM_BRIDGE, TO_ROUTER

__all__ = ["MTU", "ensure", "ensure_cable", "gateway", "remove", "remove_cable", "require_inside"]

#: bytes: what Weave takes if it is told nothing
MTU = 1376
_TABLE = "arp weave"
_VNI = 1
_FAST_PORT = 6784


def require_inside(node: Node, block: str) -> None:
    """Change nothing: raise ``BadInput`` unless the node's pods have their addresses from this block."""
    if not IPv4Network(node.pod_cidr).subnet_of(IPv4Network(block)):
        raise BadInput(
            f"The pods of {node.name} have addresses of {node.pod_cidr}, outside Weave's one subnet {block}.",
            "Name a larger one: Weave(subnet=…).",
        )


def gateway(node: Node) -> str:
    """The address of the bridge: the second of the node's block."""
    return str(IPv4Network(node.pod_cidr)[1])


def ensure(node: Node, block: str, *, guarded: bool) -> None:
    """Make the bridge as it must be; what is right is not touched.

    Args:
        block: the subnet of all pods of all nodes.

    Shell: ``ip link add weave up type bridge``, ``ip address add 10.0.1.1/16 dev weave``; if it is guarded,
    ``sysctl -qw net.ipv4.conf.weave.proxy_arp_pvlan=1`` and a rule of nft for ARP.
    """
    require_inside(node, block)
    there = {one.name: one for one in node.links()}.get(BRIDGE)
    own = f"{gateway(node)}/{IPv4Network(block).prefixlen}"
    with node.changes() as changes:
        if there is None:
            bridge.add(changes, BRIDGE, mac=mac_of_link(node.name, BRIDGE), mtu=MTU)
        elif not there.up:
            link.up(changes, BRIDGE)
        if there is None or own not in there.addresses:
            address.add(changes, BRIDGE, own)
    if guarded:
        for name, value in _SETTINGS:
            if node.sysctl(name) != value:
                node.sysctl(name, value)
        if not nft_library.listing(node._kernel, _TABLE):
            node.nft(_rules(node.pod_cidr))


#: answer at once for whoever can be reached on the bridge; tell nobody of a shorter way, as there is none
_SETTINGS = (
    (f"net.ipv4.conf.{BRIDGE}.proxy_arp_pvlan", "1"),
    (f"net.ipv4.neigh.{BRIDGE}.proxy_delay", "0"),
    (f"net.ipv4.conf.{BRIDGE}.send_redirects", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
)


def _rules(block: str) -> str:
    """Of other nodes' questions answer only those for this node's pods: all nodes hear them."""
    return (
        f"table {_TABLE} {{\n  chain input {{ type filter hook input priority filter;\n"
        f'    iifname "{BRIDGE}" arp operation request arp saddr ip != {block} arp daddr ip != {block} drop\n  }}\n}}'
    )


def ensure_cable(node: Node, *, fast: bool) -> bool:
    """Make the cable to the router, and the port for what the kernel carries.  Was anything missing?

    Shell: ``ip link add vethwe-bridge master weave up type veth peer name vethwe-pcap``,
    ``ethtool -K vethwe-bridge tx off``, ``bridge link set dev vethwe-bridge isolated on``; for the fast way
    ``ip link add vxlan-6784 type vxlan id 1 dstport 6784 …``, ``ip link set vxlan-6784 master weave``.
    """
    there = {one.name for one in node.links() if one.up}
    wanted = {FROM_BRIDGE, TO_ROUTER, *([FAST] if fast else [])}
    if wanted <= there:
        return False
    remove_cable(node)
    with node.changes() as changes:
        near = veth.Plug(TO_ROUTER, mac_of_link(node.name, TO_ROUTER))
        far = veth.Plug(FROM_BRIDGE, mac_of_link(node.name, FROM_BRIDGE))
        veth.add(changes, near, far, mtu=MTU, master=BRIDGE, up=True)
        changes.apply()
        link.set_isolated(changes, TO_ROUTER)
        link.arp_off(changes, FROM_BRIDGE)  # it hears the bridge's questions, and must not answer for the node
        link.up(changes, FROM_BRIDGE)
        changes.apply()
        offload.checksums_off(node._kernel, changes, TO_ROUTER)
        if fast:
            mac = mac_of_link(node.name, FAST)
            vxlan.add(
                changes, FAST, vni=_VNI, mac=mac, device="eth0", local=node.address, port=_FAST_PORT, learning=True
            )
            changes.apply()
            link.set_mtu(changes, FAST, MTU)
            link.set_master(changes, FAST, BRIDGE)
            link.set_isolated(changes, FAST)
            bridge_port.by_table_only(changes, FAST)
            link.up(changes, FAST)
    return True


def remove_cable(node: Node) -> None:
    """Remove the cable and the port, if they are there.  Shell: ``ip link delete vethwe-bridge``."""
    for name in _there(node, (TO_ROUTER, FAST)):
        node.delete_link(name)


def remove(node: Node) -> None:
    """Remove the bridge, and the rule for ARP, if they are there.  Shell: ``ip link delete weave``."""
    for name in _there(node, (BRIDGE,)):
        node.delete_link(name)
    if nft_library.listing(node._kernel, _TABLE):
        node.nft(f"delete table {_TABLE}")


def _there(node: Node, names: tuple[str, ...]) -> Iterator[str]:
    links = {one.name for one in node.links()}
    return (name for name in names if name in links)
