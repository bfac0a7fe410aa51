"""Routes: which way a packet leaves the namespace (``ip route``)."""

from __future__ import annotations

import _socket as s  # see netlink.py
import struct

from labhelpers.errors import BadInput
from labhelpers.linux import constants as c
from labhelpers.linux import ip, names
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attribute, attributes, nested, number

TYPE_CHECKING = False  # see netlink.py
if TYPE_CHECKING:
    from collections.abc import Iterator

    from labhelpers.linux.records import Route, Rows

__all__ = ["TABLES", "Encap", "add", "delete", "dump", "get", "replace"]

# struct rtmsg: family, destination and source prefix, tos, table, protocol, scope, type, flags
_HEADER = struct.Struct("=BBBBBBBBI")
_NEXT_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, weight - 1, interface index
_U32 = struct.Struct("=I")
_RTA_SRC, _RTA_IIF = 2, 3
_TUNNEL_IP = 2  # LWTUNNEL_ENCAP_IP (lwtunnel.h)
_TUNNEL_ID, _TUNNEL_REMOTE = 1, 2  # LWTUNNEL_IP_ID, LWTUNNEL_IP_DST
_DUMP_REQUEST = _HEADER.pack(0, 0, 0, 0, 0, 0, 0, 0, 0)
TABLES = {c.RT_TABLE_MAIN: "main", c.RT_TABLE_LOCAL: "local", 253: "default"}
_PROTOCOLS = {1: "redirect", 2: "kernel", 3: "boot", 4: "static", 9: "ra", 12: "bird", 16: "dhcp", 186: "bgp"}
_MAKERS = {name: number for number, name in _PROTOCOLS.items()}
_SCOPES = {0: "global", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
_KINDS = {
    1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast",
    6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw",
}  # fmt: skip


class Encap:
    """What a tunnel device without settings of its own is told with each packet of a route.

    Args:
        id: the number of the virtual network.
        remote: the other end's IPv4 address.
    """

    def __init__(self, id: int, remote: str) -> None:
        self.id, self.remote = id, remote

    def __str__(self) -> str:
        return f"ip id {self.id} dst {self.remote}"


def add(
    changes: Changes,
    destination: str,
    *,
    via: str = "",
    device: str = "",
    onlink: bool = False,
    mtu: int = 0,
    table: int = c.RT_TABLE_MAIN,
    source: str = "",
    encap: Encap | None = None,
) -> None:
    """Add a route.

    Args:
        destination: a CIDR block, or ``"default"`` for every address no other route covers.
        via: address of the next router, which must itself be reachable; ``""`` for directly connected.
        device: the interface to leave by; with ``via`` the kernel finds it.
        onlink: take it that the router is behind the interface, although no subnet says so.
        mtu: bytes, if smaller packets must be sent this way than the interface takes.
        table: its number; all but the main one are asked only where a rule says so (:mod:`labhelpers.linux.rule`).
        source: which of its IPv4 addresses the namespace itself uses for what it sends this way.
        encap: for a tunnel device that is ``external``.

    Shell: ``ip route add DESTINATION [encap ip id NUMBER dst ADDRESS] via ADDRESS dev NAME [onlink] [mtu BYTES]
    [table NUMBER] [src ADDRESS]``.
    """
    command, body = _body(
        changes, destination, via, device, onlink=onlink, mtu=mtu, table=table, source=source, encap=encap
    )
    changes.add(f"ip route add {command}", c.RTM_NEWROUTE, c.NLM_F_CREATE | c.NLM_F_EXCL, body)


def replace(changes: Changes, destination: str, *, via: str = "", device: str = "") -> None:
    """Add a route to the main table, in place of one to the same destination; arguments as for ``add``.

    Shell: ``ip route replace DESTINATION via ADDRESS dev NAME``.
    """
    command, body = _body(changes, destination, via, device)
    changes.add(f"ip route replace {command}", c.RTM_NEWROUTE, c.NLM_F_CREATE | c.NLM_F_REPLACE, body)


def delete(
    changes: Changes,
    destination: str,
    *,
    via: str = "",
    device: str = "",
    table: int = c.RT_TABLE_MAIN,
    protocol: str = "",
) -> None:
    """Remove a route.

    Args:
        table: its number.
        protocol: only one that this made: ``kernel``, ``boot``, ``bird`` …; of several routes to the same destination
            the first goes otherwise.

    Shell: ``ip route delete DESTINATION [table NUMBER] [proto NAME]``.
    """
    command, body = _body(changes, destination, via, device, table=table, protocol=protocol, deleting=True)
    changes.add(f"ip route delete {command}", c.RTM_DELROUTE, 0, body)


def _body(
    changes: Changes,
    destination: str,
    via: str,
    device: str,
    *,
    deleting: bool = False,
    onlink: bool = False,
    mtu: int = 0,
    table: int = c.RT_TABLE_MAIN,
    protocol: str = "",
    source: str = "",
    encap: Encap | None = None,
) -> tuple[str, bytes]:
    gateway = ip.checked_address(via) if via else None
    if destination == "default":
        version, target, prefix = gateway[0] if gateway else 4, 0, 0
    else:
        version, target, prefix = ip.checked_block(destination)
    if not (gateway or device or deleting):
        raise BadInput(
            f"A route to {destination} needs a way out.",
            "Name the next router (via=…), the interface (device=…), or both.",
        )
    if gateway and gateway[0] != version:
        raise BadInput(
            f"{destination} and {via} are of different IP versions.", "Use two addresses of the same version."
        )
    if protocol and protocol not in _MAKERS:
        raise BadInput(f"{protocol!r} is nobody who makes routes.", f"There are: {', '.join(_MAKERS)}.")
    words = (
        f"encap {encap}" if encap else "",
        f"via {via}" if via else "",
        f"dev {device}" if device else "",
        "onlink" if onlink else "",
        f"mtu {mtu}" if mtu else "",
        f"table {table}" if table != c.RT_TABLE_MAIN else "",
        f"proto {protocol}" if protocol else "",
        f"src {source}" if source else "",
    )
    command = " ".join([destination, *filter(None, words)])
    scope = 255 if deleting else c.RT_SCOPE_UNIVERSE if gateway else c.RT_SCOPE_LINK
    body = _HEADER.pack(
        ip.FAMILIES[version], prefix, 0, 0, table if table < 256 else 0,
        _MAKERS.get(protocol, 0) if deleting else c.RTPROT_BOOT, scope, 0 if deleting else c.RTN_UNICAST,
        c.RTNH_F_ONLINK if onlink else 0,
    )  # fmt: skip
    if table >= 256:  # the header has one byte for it
        body += number(c.RTA_TABLE, table)
    size = ip.BITS[version] // 8
    if prefix:
        body += attribute(c.RTA_DST, target.to_bytes(size, "big"))
    if gateway:
        body += attribute(c.RTA_GATEWAY, gateway[1].to_bytes(size, "big"))
    if device:
        body += number(c.RTA_OIF, changes.index(device))
    if mtu:
        body += nested(c.RTA_METRICS, number(c.RTAX_MTU, names.mtu(mtu)))
    if source:
        body += attribute(c.RTA_PREFSRC, s.inet_aton(source))
    if encap:
        told = attribute(_TUNNEL_ID, struct.pack("!Q", encap.id)) + attribute(_TUNNEL_REMOTE, s.inet_aton(encap.remote))
        body += attribute(c.RTA_ENCAP_TYPE, struct.pack("=H", _TUNNEL_IP)) + nested(c.RTA_ENCAP, told)
    return command, body


def get(socket: NetlinkSocket, destination: str, *, source: str = "", incoming: int = 0) -> tuple[str, int, str]:
    """Ask the kernel what it would do with a packet; nothing is sent.

    Args:
        source: the packet's source address; needed with ``incoming``.
        incoming: index of the interface that it comes in by; 0 for a packet of the namespace's own.

    Returns:
        the next router, ``""`` if the destination is directly connected; the index of the interface to leave by; and
        ``local`` if the packet is for the namespace itself, else ``unicast``, ``broadcast`` …

    Raises:
        NetlinkRefusal: with the reason as its errno: ENETUNREACH without a route, EXDEV if rp_filter would drop it,
            EHOSTUNREACH for an unreachable route or where nothing is forwarded, EINVAL for a black hole, EACCES.

    Shell: ``ip route get DESTINATION from SOURCE iif INTERFACE``.
    """
    version, target = ip.checked_address(destination)
    family, size = ip.FAMILIES[version], ip.BITS[version] // 8
    from_bits = ip.BITS[version] if source else 0
    body = _HEADER.pack(family, ip.BITS[version], from_bits, 0, 0, 0, 0, 0, 0)
    body += attribute(c.RTA_DST, target.to_bytes(size, "big"))
    if source:
        body += attribute(_RTA_SRC, ip.checked_address(source)[1].to_bytes(size, "big"))
    if incoming:
        body += number(_RTA_IIF, incoming)
    answer = socket.get(c.RTM_GETROUTE, body)
    found = attributes(answer, 12)
    index = _U32.unpack(found[c.RTA_OIF])[0] if c.RTA_OIF in found else 0
    return _address(family, found.get(c.RTA_GATEWAY)), index, _KINDS.get(answer[7], str(answer[7]))


def dump(socket: NetlinkSocket, devices: dict[int, str]) -> Rows[Route]:
    """Read the routes of every table but ``local``, a row for each way out.  Shell: ``ip route show table all``.

    Args:
        devices: interface names by index.
    """
    from labhelpers.linux.records import Route, Rows

    rows = []
    for body in socket.dump(c.RTM_GETROUTE, _DUMP_REQUEST):
        family, prefix, _, _, table, protocol, scope, kind, flags = _HEADER.unpack_from(body)
        if table == c.RT_TABLE_LOCAL or flags & 0x200:  # RTM_F_CLONED: a cache entry, not a route
            continue
        found = attributes(body, 12)
        if c.RTA_TABLE in found:
            table = _U32.unpack(found[c.RTA_TABLE])[0]
        metrics = attributes(found.get(c.RTA_METRICS, b""))
        for index, gateway in _ways(found):
            rows.append(
                Route(
                    destination=_block(family, found.get(c.RTA_DST), prefix),
                    via=_address(family, gateway),
                    device=devices.get(index, ""),
                    source=_address(family, found.get(c.RTA_PREFSRC)),
                    scope=_SCOPES.get(scope, str(scope)),
                    protocol=_PROTOCOLS.get(protocol, str(protocol)),
                    metric=_U32.unpack(found[c.RTA_PRIORITY])[0] if c.RTA_PRIORITY in found else 0,
                    table=TABLES.get(table, str(table)),
                    kind=_KINDS.get(kind, str(kind)),
                    onlink=bool(flags & c.RTNH_F_ONLINK),
                    mtu=_U32.unpack(metrics[c.RTAX_MTU])[0] if c.RTAX_MTU in metrics else 0,
                    encap=_encap(found),
                )
            )
    return Rows(rows, "routes")


def _encap(found: dict[int, bytes]) -> str:
    if found.get(c.RTA_ENCAP_TYPE, b"")[:1] != bytes([_TUNNEL_IP]):
        return ""
    told = attributes(found.get(c.RTA_ENCAP, b""))
    (network,) = struct.unpack("!Q", told.get(_TUNNEL_ID, bytes(8)))
    return str(Encap(network, _address(s.AF_INET, told.get(_TUNNEL_REMOTE))))


def _ways(found: dict[int, bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Interface index and router of each way out; a route has several if traffic is spread over them."""
    ways = found.get(c.RTA_MULTIPATH)
    if ways is None:
        yield _U32.unpack(found[c.RTA_OIF])[0] if c.RTA_OIF in found else 0, found.get(c.RTA_GATEWAY)
        return
    offset = 0
    while offset + _NEXT_HOP.size <= len(ways):
        length, _, _, index = _NEXT_HOP.unpack_from(ways, offset)
        if length < _NEXT_HOP.size:
            return
        yield index, attributes(ways[: offset + length], offset + _NEXT_HOP.size).get(c.RTA_GATEWAY)
        offset += (length + 3) & ~3


def _block(family: int, packed: bytes | None, prefix: int) -> str:
    return f"{s.inet_ntop(family, packed)}/{prefix}" if packed else "default"


def _address(family: int, packed: bytes | None) -> str:
    return s.inet_ntop(family, packed) if packed else ""
