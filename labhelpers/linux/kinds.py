"""Interfaces of any kind, each with the fewest options it can be made with (``ip link add … type KIND``).

The chapters make theirs with modules of their own.  This one answers: does the kernel know the kind?
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from labhelpers.errors import BadInput
from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested, number, text

__all__ = ["KINDS", "Kind", "add"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What an interface of a kind cannot be made without."""

    #: the options as ``ip link add`` has them, and the same as netlink attributes
    shell: str = ""
    options: bytes = b""
    #: it is made on top of another interface
    stacked: bool = False


def _u16(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))


# a tunnel with both ends open would be the fallback device that the kernel has made by itself, and clash with it
_NOWHERE = socket.inet_aton("192.0.2.1")  # TEST-NET-1, RFC 5737

#: the attribute numbers are those of include/uapi/linux/if_link.h and if_tunnel.h
KINDS = {
    "bridge": Kind(),
    "dummy": Kind(),
    "geneve": Kind("id 1 remote 192.0.2.1", number(1, 1) + attribute(2, _NOWHERE)),  # IFLA_GENEVE_ID, _REMOTE
    "gre": Kind("remote 192.0.2.1", attribute(7, _NOWHERE)),  # IFLA_GRE_REMOTE
    "ipip": Kind("mode ipip remote 192.0.2.1", attribute(3, _NOWHERE)),  # IFLA_IPTUN_REMOTE
    "ipvlan": Kind(stacked=True),
    "macvlan": Kind("mode bridge", number(1, 4), stacked=True),  # IFLA_MACVLAN_MODE, MACVLAN_MODE_BRIDGE
    "netkit": Kind(),
    "veth": Kind(),
    "vlan": Kind("id 1", _u16(1, 1), stacked=True),  # IFLA_VLAN_ID
    "vrf": Kind("table 1", number(1, 1)),  # IFLA_VRF_TABLE
    "vxlan": Kind("id 1 dstport 8472", number(1, 1) + attribute(15, struct.pack("!H", 8472))),  # IFLA_VXLAN_ID, _PORT
    "wireguard": Kind(),
}


def add(changes: Changes, name: str, kind: str, *, on: str = "") -> None:
    """Create an interface of a kind, down and without a use.  A pair gets a second one, which the kernel names.

    Args:
        kind: one of ``KINDS``.
        on: for a stacked kind, the interface below.

    Raises:
        BadInput: the kind is not known here, or stacked and has nothing below.

    Shell: ``ip link add NAME [link ON] type KIND [OPTION …]``.
    """
    if kind not in KINDS:
        raise BadInput(f"{kind!r} is no kind of interface.", f"There are: {', '.join(KINDS)}.")
    needs = KINDS[kind]
    if needs.stacked != bool(on):
        rule = "is made on top of another interface" if needs.stacked else "is not made on top of another interface"
        raise BadInput(f"An interface of the kind {kind} {rule}.", "Give `on` for macvlan, ipvlan and vlan only.")
    link = f"link {on} " if on else ""
    changes.add(
        f"ip link add {names.link_name(name)} {link}type {kind} {needs.shell}".rstrip(),
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, 0, 0)
        + text(c.IFLA_IFNAME, name)
        + (number(c.IFLA_LINK, changes.index(on)) if on else b"")
        + nested(
            c.IFLA_LINKINFO,
            text(c.IFLA_INFO_KIND, kind),
            *([nested(c.IFLA_INFO_DATA, needs.options)] if needs.options else []),
        ),
    )
