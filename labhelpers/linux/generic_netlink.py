"""Generic netlink: how kernel modules without a netlink protocol of their own are spoken to.

Each module has a family, whose number is asked for by its name.  Source: ``include/uapi/linux/genetlink.h``.
"""

from __future__ import annotations

import struct

from labhelpers.linux.netlink import NetlinkSocket, attributes, text

__all__ = ["HEADER", "PROTOCOL", "family"]

PROTOCOL = 16  # NETLINK_GENERIC
HEADER = struct.Struct("=BBxx")  # struct genlmsghdr: command, version
_U16 = struct.Struct("=H")
_CONTROLLER, _GET_FAMILY = 16, 3  # GENL_ID_CTRL, CTRL_CMD_GETFAMILY
_FAMILY_ID, _FAMILY_NAME = 1, 2  # CTRL_ATTR_FAMILY_ID, CTRL_ATTR_FAMILY_NAME


def family(socket: NetlinkSocket, name: str) -> int:
    """The number of a family.  Changes nothing, but the kernel loads the module if it may.

    Args:
        socket: a netlink socket of this module's ``PROTOCOL``.

    Raises:
        NetlinkRefusal: ENOENT, there is no such family.

    Shell: ``genl ctrl get name NAME``.
    """
    answer = socket.get(_CONTROLLER, HEADER.pack(_GET_FAMILY, 1) + text(_FAMILY_NAME, name))
    (number,) = _U16.unpack(attributes(answer, HEADER.size)[_FAMILY_ID])
    return int(number)
