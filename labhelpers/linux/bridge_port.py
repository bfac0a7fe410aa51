"""What a bridge does at one of its ports (``man 8 bridge``)."""

from __future__ import annotations

from labhelpers.linux import constants as c
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested

__all__ = ["by_table_only"]

_AF_BRIDGE, _IFLA_PROTINFO, _NLA_F_NESTED = 7, 12, 0x8000
_LEARNING, _FLOOD, _MCAST_FLOOD, _BCAST_FLOOD = 8, 9, 27, 30  # IFLA_BRPORT_*, if_link.h


def by_table_only(changes: Changes, name: str) -> None:
    """Let a port have only what an entry of the forwarding database sends there, and learn nothing from what comes in.

    Shell: ``bridge link set dev NAME learning off flood off mcast_flood off bcast_flood off``.
    """
    off = b"".join(attribute(one, b"\0") for one in (_LEARNING, _FLOOD, _MCAST_FLOOD, _BCAST_FLOOD))
    changes.add(
        f"bridge link set dev {name} learning off flood off mcast_flood off bcast_flood off",
        c.RTM_SETLINK,
        0,
        HEADER.pack(_AF_BRIDGE, 0, changes.index(name), 0, 0) + nested(_IFLA_PROTINFO | _NLA_F_NESTED, off),
    )
