"""IP addresses of interfaces (``ip address``)."""

from __future__ import annotations

import _socket as s  # see netlink.py
import struct

from labhelpers.linux import constants as c
from labhelpers.linux import ip
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attribute, attributes

TYPE_CHECKING = False  # see netlink.py
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["add", "delete", "dump"]

_HEADER = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_LOOPBACK = 127  # 127.0.0.0/8
_DUMP_REQUEST = _HEADER.pack(0, 0, 0, 0, 0)


def add(changes: Changes, name: str, address: str, *, is_unique: bool = False) -> None:
    """Give an interface an address; the kernel adds the route to the subnet if the interface is up.

    Args:
        is_unique: somebody keeps the books, so that the kernel need not ask the link for a second whether anybody has
            this IPv6 address already (RFC 4862, section 5.4), during which it cannot be used.

    Shell: ``ip address add 10.0.1.10/24 brd + dev NAME``; if it is unique with ``nodad``.
    """
    nodad = is_unique and ":" in address
    body, broadcast = _body(changes, name, address, c.IFA_F_NODAD if nodad else 0)
    changes.add(
        f"ip address add {address}{' brd +' if broadcast else ''} dev {name}{' nodad' if nodad else ''}",
        c.RTM_NEWADDR,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        body + broadcast,
    )


def delete(changes: Changes, name: str, address: str) -> None:
    """Take an address from an interface; routes that use it go.  Shell: ``ip address delete 10.0.1.10/24 dev NAME``."""
    body, _ = _body(changes, name, address)
    changes.add(f"ip address delete {address} dev {name}", c.RTM_DELADDR, 0, body)


def _body(changes: Changes, name: str, address: str, flags: int = 0) -> tuple[bytes, bytes]:
    version, number, prefix = ip.checked_interface(address)
    packed = number.to_bytes(ip.BITS[version] // 8, "big")
    # as `ip` does: an address of the loopback block is not offered as a source to other machines
    scope = c.RT_SCOPE_HOST if version == 4 and packed[0] == _LOOPBACK else c.RT_SCOPE_UNIVERSE
    body = (
        _HEADER.pack(ip.FAMILIES[version], prefix, flags, scope, changes.index(name))
        + attribute(c.IFA_LOCAL, packed)
        + attribute(c.IFA_ADDRESS, packed)
    )
    broadcast = b""
    if version == 4 and prefix < 31:
        last = number | ((1 << 32 - prefix) - 1)
        broadcast = attribute(c.IFA_BROADCAST, last.to_bytes(4, "big"))
    return body, broadcast


def dump(socket: NetlinkSocket) -> Iterator[tuple[int, str]]:
    """Read every address: yields the interface's index and ``"10.0.1.10/24"``.  Shell: ``ip address``."""
    for body in socket.dump(c.RTM_GETADDR, _DUMP_REQUEST):
        family, prefix, _, _, index = _HEADER.unpack_from(body)
        found = attributes(body, 8)
        packed = found.get(c.IFA_LOCAL) or found[c.IFA_ADDRESS]
        yield index, f"{s.inet_ntop(family, packed)}/{prefix}"
