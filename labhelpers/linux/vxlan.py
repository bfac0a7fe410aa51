"""VXLAN: Ethernet frames in UDP packets, between tunnel ends that know one another (RFC 7348, ``man 8 ip-link``)."""

from __future__ import annotations

import socket
import struct

from labhelpers.errors import BadInput
from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested, number, text
from labhelpers.linux.spelling import device as spelled

__all__ = ["OVERHEAD", "PORT", "add", "add_external"]

#: bytes: outer IPv4 (20), UDP (8), VXLAN (8) and the inner Ethernet header (14)
OVERHEAD = 50
#: the one Linux took before there was a standard, and Flannel still uses; IANA gave 4789
PORT = 8472
_LARGEST_ID = (1 << 24) - 1


def add(
    changes: Changes,
    name: str,
    *,
    vni: int,
    mac: str,
    device: str,
    local: str,
    port: int = PORT,
    group: str = "",
    learning: bool = False,
) -> None:
    """Create a VXLAN device, down.  Its MTU is that of the interface below without the 50 bytes that are added.

    Args:
        vni: the number of the virtual network, 24 bits.
        device: the interface below.
        local: this end's IPv4 address there.
        port: UDP, of all ends.
        group: multicast address to which frames go whose receiver is not known; ``""`` for nobody.
        learning: note behind which end each source MAC address lives, as a switch does.

    Raises:
        BadInput: a number that is too large, an address of the wrong kind.

    Shell: ``ip link add NAME address MAC type vxlan id VNI local ADDRESS dev DEVICE dstport PORT nolearning``.
    """
    if not isinstance(vni, int) or not 0 <= vni <= _LARGEST_ID:
        raise BadInput(f"{vni!r} is no VXLAN network identifier.", f"Use a number from 0 to {_LARGEST_ID}.")
    options = (
        number(c.IFLA_VXLAN_ID, vni)
        + number(c.IFLA_VXLAN_LINK, changes.index(device))
        + attribute(c.IFLA_VXLAN_LOCAL, _ipv4(local))
        + attribute(c.IFLA_VXLAN_PORT, struct.pack("!H", port))
        + attribute(c.IFLA_VXLAN_LEARNING, bytes([learning]))
        + (attribute(c.IFLA_VXLAN_GROUP, _ipv4(group)) if group else b"")
    )
    to = f" group {group}" if group else ""
    changes.add(
        f"ip link add {spelled(names.link_name(name), 'name')} address {mac} type vxlan id {vni} local {local}{to} "
        f"dev {device} dstport {port} {'learning' if learning else 'nolearning'}",
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, 0, 0)
        + text(c.IFLA_IFNAME, name)
        + attribute(c.IFLA_ADDRESS, names.mac(mac))
        + nested(c.IFLA_LINKINFO, text(c.IFLA_INFO_KIND, "vxlan"), nested(c.IFLA_INFO_DATA, options)),
    )


def add_external(changes: Changes, name: str, *, mac: str, mtu: int, port: int = PORT) -> None:
    """Create a VXLAN device, down, that has no settings: each packet brings its own network identifier and other end.

    They come from the route that the packet took (:class:`labhelpers.linux.route.Encap`), or from an eBPF program.

    Args:
        mtu: bytes; the kernel does not know which interface is below.
        port: UDP, of all ends.

    Shell: ``ip link add NAME address MAC mtu BYTES type vxlan external dstport PORT nolearning``.
    """
    options = (
        attribute(c.IFLA_VXLAN_COLLECT_METADATA, b"\x01")
        + attribute(c.IFLA_VXLAN_PORT, struct.pack("!H", port))
        + attribute(c.IFLA_VXLAN_LEARNING, b"\x00")
    )
    changes.add(
        f"ip link add {spelled(names.link_name(name), 'name')} address {mac} mtu {mtu} type vxlan external "
        f"dstport {port} nolearning",
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, 0, 0)
        + text(c.IFLA_IFNAME, name)
        + attribute(c.IFLA_ADDRESS, names.mac(mac))
        + number(c.IFLA_MTU, names.mtu(mtu))
        + nested(c.IFLA_LINKINFO, text(c.IFLA_INFO_KIND, "vxlan"), nested(c.IFLA_INFO_DATA, options)),
    )


def _ipv4(value: str) -> bytes:
    address = names.address(value)
    if address.version != 4:
        raise BadInput(f"{value} is IPv6; this helper makes tunnels over IPv4.", "Use `ip link add` by hand.")
    return socket.inet_aton(value)
