"""The way into the tunnel: which network identifier a packet gets, by routing tables; and what came by it, by a rule.

A packet that a pod sent has its identity as mark.  A rule of routing for each identity of this node leads to a table of
routes that tell the tunnel device: wrap it for that node, with this number.  At the other end a rule makes the number
the mark again.  ``nft`` 1.0.6 has no word for that rule, though the kernel has had it since 4.19: it is sent as netlink
messages, in a table of its own, of which such an ``nft`` can list the counter only.

Source: ``man 8 ip-route`` (encap ip), ``net/netfilter/nft_tunnel.c``.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from labhelpers.linux import link, nfnetlink, nft_library, route, rule
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.nfnetlink import be32
from labhelpers.networks.cilium.datapath import Wanted
from labhelpers.networks.cilium.identity import WIRE
from labhelpers.networks.cilium.nft.names import TUNNEL

__all__ = ["VNI_TABLE", "forget_identities", "reads_identities", "ways"]

VNI_TABLE = "cilium_vni"
_PRIORITY = 1000  # of the rules of routing
_FWMARK = re.compile(r"from all fwmark (0x[0-9a-f]+)")
_INGRESS, _BEFORE = 0, -10  # NF_NETDEV_INGRESS; sooner than the chains of the datapath
_TUNNEL_KEY, _TUNNEL_REGISTER, _TUNNEL_ID = 1, 2, 1  # NFTA_TUNNEL_KEY, NFTA_TUNNEL_DREG, NFT_TUNNEL_ID
_META_KEY, _META_REGISTER, _MARK = 2, 3, 3  # NFTA_META_KEY, NFTA_META_SREG, NFT_META_MARK
_REGISTER = 1  # NFT_REG_1

#: destination, router, what the tunnel is told, table
_Way = tuple[str, str, str, int]


def ways(namespace: NetworkNamespace, wanted: Wanted) -> list[str]:
    """Give each identity of this node's pods its rule of routing and its table, and take those of nobody away.

    Returns:
        the commands that were needed.

    Shell: ``ip rule add priority 1000 fwmark 4711 lookup 4711``,
    ``ip route add 10.0.2.0/24 encap ip id 4711 dst 192.168.1.11 via 10.0.2.1 dev cilium_vxlan onlink table 4711``.
    """
    numbers = {one.identity for one in wanted.endpoints if one.identity in WIRE} if wanted.tunnel else set[int]()
    others = {one.block: one.node for one in wanted.ipcache if one.block in wanted.blocks and one.node}
    must = {_way(block, node, number): (block, node) for number in numbers for block, node in others.items()}
    with namespace.changes() as changes:
        devices = {one.index: one.name for one in link.look_at_all(changes.socket)}
        rules = _rules(changes.socket)
        routes = _routes(changes.socket, devices, rules | numbers)
        for number in sorted(rules - numbers):
            rule.delete(changes, _PRIORITY, number, mark=number)
        for block, via, _, table in sorted(routes - must.keys()):
            route.delete(changes, block, via=via, device=TUNNEL, table=table)
        for way in sorted(must.keys() - routes):
            block, via, _, table = way
            encap = route.Encap(table, must[way][1])
            route.add(changes, block, via=via, device=TUNNEL, onlink=True, table=table, encap=encap)
        for number in sorted(numbers - rules):  # after its routes: a packet before goes as the node's own do
            rule.add(changes, _PRIORITY, number, mark=number)
        changes.apply()
        return list(changes.done)


def _way(block: str, node: str, number: int) -> _Way:
    return block, str(IPv4Network(block)[1]), str(route.Encap(number, node)), number


def _rules(socket: NetlinkSocket) -> set[int]:
    """The identities that have a rule."""
    found = (_FWMARK.fullmatch(one.selector) for one in rule.dump(socket) if one.priority == _PRIORITY)
    return {int(match[1], 16) for match in found if match}


def _routes(socket: NetlinkSocket, devices: dict[int, str], numbers: set[int]) -> set[_Way]:
    return {
        (one.destination, one.via, one.encap, int(one.table))
        for one in route.dump(socket, devices)
        if one.device == TUNNEL and one.table.isdigit() and int(one.table) in numbers
    }


def reads_identities(namespace: NetworkNamespace) -> bool:
    """Make the network identifier of what comes by the tunnel the packet's mark.

    Returns:
        whether this kernel can; where it cannot, the identity follows from the packet's source.

    Shell: with a newer ``nft``, ``nft add rule netdev cilium_vni from-tunnel meta mark set tunnel id``.
    """
    forget_identities(namespace)
    read = ("tunnel", be32(_TUNNEL_KEY, _TUNNEL_ID) + be32(_TUNNEL_REGISTER, _REGISTER))
    mark = ("meta", be32(_META_KEY, _MARK) + be32(_META_REGISTER, _REGISTER))
    changes = [
        nfnetlink.table("netdev", VNI_TABLE),
        nfnetlink.chain("netdev", VNI_TABLE, "from-tunnel", "filter", _INGRESS, _BEFORE, TUNNEL),
        # with a counter, for an nft that knows no other part of the rule, and stumbles over one without any
        nfnetlink.rule("netdev", VNI_TABLE, "from-tunnel", read, mark, ("counter", b"")),
    ]
    try:
        namespace.visit(lambda: nfnetlink.commit(changes))
    except OSError:
        return False
    return True


def forget_identities(namespace: NetworkNamespace) -> None:
    """Remove the table, if it is there.  Shell: ``nft delete table netdev cilium_vni``."""
    nft_library.load(namespace, f"add table netdev {VNI_TABLE}\ndelete table netdev {VNI_TABLE}")
