"""Network interfaces: read them, set them up and down, rename, move and delete them (``ip link``)."""

from __future__ import annotations

import struct

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attribute, attributes, nested, number, text
from labhelpers.linux.spelling import device, quoted

TYPE_CHECKING = False  # see netlink.py
if TYPE_CHECKING:
    from collections.abc import Sequence

    from labhelpers.linux.records import Link, Rows

__all__ = [
    "HEADER",
    "Glance",
    "arp_off",
    "delete",
    "delete_together",
    "down",
    "dump",
    "look",
    "look_at_all",
    "set_alias",
    "set_isolated",
    "set_mac",
    "set_master",
    "set_mtu",
    "up",
]

HEADER = struct.Struct("=BxHiII")  # struct ifinfomsg: family, hardware type, index, flags, change mask
_U32 = struct.Struct("=I")
_I32 = struct.Struct("=i")
_NO_ID = _I32.pack(-1)
# IF_OPER_*, RFC 2863 as in Documentation/networking/operstates.rst
_STATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_DUMP_REQUEST = HEADER.pack(0, 0, 0, 0, 0) + number(c.IFLA_EXT_MASK, c.RTEXT_FILTER_SKIP_STATS)
_PLAIN_KINDS = frozenset({"", "loopback", "veth", "bridge", "dummy", "tun"})
_DOOMED = 4242  # a group nobody else uses
_BRPORT_ISOLATED = 33  # IFLA_BRPORT_ISOLATED, if_link.h
_AF_BRIDGE, _IFLA_PROTINFO, _NLA_F_NESTED = 7, 12, 0x8000


def _set(changes: Changes, name: str, command: str, body: bytes, flags: int = 0, mask: int = 0) -> None:
    index = changes.index(names.link_name(name) if name != "lo" else name)
    changes.add(f"ip link set {device(name)} {command}", c.RTM_NEWLINK, 0, HEADER.pack(0, 0, index, flags, mask) + body)


def up(changes: Changes, name: str) -> None:
    """Set an interface administratively up.  Shell: ``ip link set NAME up``."""
    _set(changes, name, "up", b"", c.IFF_UP, c.IFF_UP)


def down(changes: Changes, name: str) -> None:
    """Set an interface administratively down; its routes go.  Shell: ``ip link set NAME down``."""
    _set(changes, name, "down", b"", 0, c.IFF_UP)


def arp_off(changes: Changes, name: str) -> None:
    """Let the node neither ask nor answer ARP on an interface.  Shell: ``ip link set NAME arp off``."""
    _set(changes, name, "arp off", b"", c.IFF_NOARP, c.IFF_NOARP)


def set_mtu(changes: Changes, name: str, mtu: int) -> None:
    """Change the largest packet in bytes that fits the link.  Shell: ``ip link set NAME mtu BYTES``."""
    _set(changes, name, f"mtu {mtu}", number(c.IFLA_MTU, names.mtu(mtu)))


def set_mac(changes: Changes, name: str, mac: str) -> None:
    """Change the link-layer address.  Shell: ``ip link set NAME address MAC``."""
    _set(changes, name, f"address {mac}", attribute(c.IFLA_ADDRESS, names.mac(mac)))


def set_alias(changes: Changes, name: str, alias: str) -> None:
    """Write a note on an interface that ``ip link`` shows.  Shell: ``ip link set NAME alias TEXT``."""
    _set(changes, name, f"alias {quoted(alias)}", text(c.IFLA_IFALIAS, alias))


def set_master(changes: Changes, name: str, master: str) -> None:
    """Plug an interface into a bridge, or with ``master=""`` out of it.

    Shell: ``ip link set NAME master BRIDGE`` and ``ip link set NAME nomaster``.
    """
    index = changes.index(master) if master else 0
    _set(changes, name, f"master {master}" if master else "nomaster", number(c.IFLA_MASTER, index))


def set_isolated(changes: Changes, name: str, on: bool = True) -> None:
    """Keep a bridge port from talking to the bridge's other isolated ports.

    Shell: ``bridge link set dev NAME isolated on``.
    """
    body = HEADER.pack(_AF_BRIDGE, 0, changes.index(name), 0, 0)
    isolated = attribute(_BRPORT_ISOLATED, bytes([on]))
    changes.add(
        f"bridge link set dev {name} isolated {'on' if on else 'off'}",
        c.RTM_SETLINK,
        0,
        body + nested(_IFLA_PROTINFO | _NLA_F_NESTED, isolated),
    )


def delete(changes: Changes, name: str) -> None:
    """Remove an interface; of a veth pair both ends go.  Shell: ``ip link delete NAME``."""
    index = changes.index(name)
    changes.add(f"ip link delete {device(name)}", c.RTM_DELLINK, 0, HEADER.pack(0, 0, index, 0, 0))


def delete_together(changes: Changes, names: Sequence[str]) -> None:
    """Remove several interfaces; of veth pairs both ends go.

    Removing an interface, the kernel waits until no packet is under way on it.  For a group it waits once:
    500 cables take less than a second instead of 16.

    Shell: ``ip link set NAME group 4242`` for each, ``ip link delete group 4242``.
    """
    if len(names) == 1:
        delete(changes, names[0])
    elif names:
        for name in names:
            _set(changes, name, f"group {_DOOMED}", number(c.IFLA_GROUP, _DOOMED))
        body = HEADER.pack(0, 0, 0, 0, 0) + number(c.IFLA_GROUP, _DOOMED)
        changes.add(f"ip link delete group {_DOOMED}", c.RTM_DELLINK, 0, body)


class Glance:
    """The little of an interface that CNI plugins look at.  ``Link`` is all of it, and takes longer to import."""

    __slots__ = ("alias", "index", "kind", "mac", "master", "name")

    def __init__(self, body: bytes) -> None:
        found = attributes(body, 16)
        info = attributes(found.get(c.IFLA_LINKINFO, b""))
        self.name = _string(found[c.IFLA_IFNAME])
        self.index: int = HEADER.unpack_from(body)[2]
        self.kind = _string(info.get(c.IFLA_INFO_KIND, b""))
        self.mac = found.get(c.IFLA_ADDRESS, b"").hex(":")
        #: index of the bridge it is a port of, 0 if none
        self.master: int = _U32.unpack(found[c.IFLA_MASTER])[0] if c.IFLA_MASTER in found else 0
        self.alias = _string(found.get(c.IFLA_IFALIAS, b""))


def look(changes: Changes, name: str) -> Glance:
    """Read a little of one interface.  Shell: ``ip -details link show dev NAME``.

    Raises:
        NotFound: the namespace has no interface of this name.
    """
    return Glance(changes.ask(name))


def look_at_all(socket: NetlinkSocket) -> list[Glance]:
    """Read a little of every interface.  Shell: ``ip -details link``."""
    return [Glance(body) for body in socket.dump(c.RTM_GETLINK, _DUMP_REQUEST)]


def dump(socket: NetlinkSocket) -> Rows[Link]:
    """Read every interface, without its addresses.  Shell: ``ip -details link``."""
    from labhelpers.linux.records import Link, Rows

    raw = [(HEADER.unpack_from(body), attributes(body, 16)) for body in socket.dump(c.RTM_GETLINK, _DUMP_REQUEST)]
    by_index = {header[2]: _string(found[c.IFLA_IFNAME]) for header, found in raw}
    return Rows((_link(Link, header, found, by_index) for header, found in raw), "links")


def _link(record: type[Link], header: tuple[int, ...], found: dict[int, bytes], by_index: dict[int, str]) -> Link:
    _, _, index, flags, _ = header
    info = attributes(found.get(c.IFLA_LINKINFO, b""))
    kind = _string(info.get(c.IFLA_INFO_KIND, b""))
    if flags & c.IFF_LOOPBACK:
        kind = "loopback"
    state = found.get(c.IFLA_OPERSTATE, b"\0")[0]
    nsid = found.get(c.IFLA_LINK_NETNSID)
    master = found.get(c.IFLA_MASTER)
    peer = found.get(c.IFLA_LINK)
    return record(
        name=_string(found[c.IFLA_IFNAME]),
        index=index,
        kind=kind,
        up=bool(flags & c.IFF_UP),
        state=_STATES[state] if state < len(_STATES) else "unknown",
        mac=found.get(c.IFLA_ADDRESS, b"").hex(":"),
        mtu=_U32.unpack(found[c.IFLA_MTU])[0],
        master=by_index.get(_U32.unpack(master)[0], "") if master else "",
        alias=_string(found.get(c.IFLA_IFALIAS, b"")),
        peer_index=_U32.unpack(peer)[0] if peer else 0,
        peer_nsid=(_I32.unpack(nsid)[0] if nsid != _NO_ID else -2) if nsid else -1,
        details=_details(kind, info),
    )


def _string(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def _details(kind: str, info: dict[int, bytes]) -> tuple[tuple[str, str], ...]:
    details: list[tuple[str, str]] = []
    if _string(info.get(c.IFLA_INFO_SLAVE_KIND, b"")) == "bridge":
        isolated = attributes(info.get(c.IFLA_INFO_SLAVE_DATA, b"")).get(_BRPORT_ISOLATED, b"\0")
        if isolated[0]:
            details.append(("isolated", "on"))
    if kind not in _PLAIN_KINDS and c.IFLA_INFO_DATA in info:
        details += _rare(kind, info[c.IFLA_INFO_DATA])
    return tuple(details)


def _rare(kind: str, data: bytes) -> list[tuple[str, str]]:
    """What is special to a VXLAN, macvlan …: pyroute2 knows the attributes of every kind."""
    from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

    decoder = ifinfmsg.ifinfo.data_map.get(kind)
    if decoder is None:
        return []
    message = decoder(attribute(c.IFLA_INFO_DATA, data))
    message.decode()
    return [
        (name.split("_", 2)[-1].lower(), str(value))
        for name, value in message["attrs"]
        if not isinstance(value, (dict, list, bytes)) and not name.startswith("UNKNOWN")
    ]
