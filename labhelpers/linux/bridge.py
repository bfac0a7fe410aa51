"""Bridges: a virtual Ethernet switch in the kernel (Documentation/networking/bridge.rst)."""

from __future__ import annotations

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested, number, text
from labhelpers.linux.spelling import device

__all__ = ["add"]


def add(changes: Changes, name: str, *, mac: str, mtu: int = 1500) -> None:
    """Create a bridge and set it up.

    The MAC address is given: a bridge without one takes its ports' lowest, and changes it as ports come and go.

    Args:
        mtu: bytes.

    Shell: ``ip link add NAME up address MAC mtu BYTES type bridge``.
    """
    changes.add(
        f"ip link add {device(names.link_name(name), 'name')} up address {mac} mtu {mtu} type bridge",
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, c.IFF_UP, c.IFF_UP)
        + text(c.IFLA_IFNAME, name)
        + attribute(c.IFLA_ADDRESS, names.mac(mac))
        + number(c.IFLA_MTU, names.mtu(mtu))
        + nested(c.IFLA_LINKINFO, text(c.IFLA_INFO_KIND, "bridge")),
    )
