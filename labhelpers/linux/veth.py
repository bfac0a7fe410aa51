"""Veth pairs: a virtual network cable with two ends (``man 4 veth``)."""

from __future__ import annotations

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested, number, text
from labhelpers.linux.spelling import device

__all__ = ["Plug", "add"]

_ONE_QUEUE = number(c.IFLA_NUM_TX_QUEUES, 1) + number(c.IFLA_NUM_RX_QUEUES, 1)


class Plug:
    """One end of the cable to be made.

    Args:
        namespace, namespace_fd: its name and an open file descriptor; ``None`` for the namespace of the changes.
        index: the interface's number, 0 lets the kernel choose.
    """

    __slots__ = ("index", "mac", "name", "namespace", "namespace_fd")

    def __init__(
        self, name: str, mac: str, namespace: str = "", namespace_fd: int | None = None, index: int = 0
    ) -> None:
        self.name, self.mac, self.index = name, mac, index
        self.namespace, self.namespace_fd = namespace, namespace_fd


def add(changes: Changes, near: Plug, far: Plug, *, mtu: int = 1500, master: str = "", up: bool = False) -> None:
    """Create a veth pair whose two ends are born where they belong.

    The near end is made in the namespace of ``changes``, plugged into the bridge ``master`` and set up if asked.  The
    far end is made directly in its own namespace: nothing is moved or renamed afterwards.

    Args:
        mtu: bytes, of both ends.

    Shell: ``ip link add NEAR address MAC mtu MTU type veth peer name FAR address MAC mtu MTU netns NAMESPACE``.
    Each end gets one transmit and one receive queue; the shell form leaves that number to the kernel.

    Source: ``drivers/net/veth.c`` (VETH_INFO_PEER).
    """
    for plug in (near, far):
        names.link_name(plug.name)
    size = number(c.IFLA_MTU, names.mtu(mtu))
    peer = (
        HEADER.pack(0, 0, far.index, 0, 0)
        + text(c.IFLA_IFNAME, far.name)
        + attribute(c.IFLA_ADDRESS, names.mac(far.mac))
        + size
        + _ONE_QUEUE
    )
    if far.namespace_fd is not None:
        peer += number(c.IFLA_NET_NS_FD, far.namespace_fd)
    flags = c.IFF_UP if up else 0
    body = (
        HEADER.pack(0, 0, near.index, flags, flags)
        + text(c.IFLA_IFNAME, near.name)
        + attribute(c.IFLA_ADDRESS, names.mac(near.mac))
        + size
        + _ONE_QUEUE
        + (number(c.IFLA_MASTER, changes.index(master)) if master else b"")
        + nested(
            c.IFLA_LINKINFO,
            text(c.IFLA_INFO_KIND, "veth"),
            nested(c.IFLA_INFO_DATA, attribute(c.VETH_INFO_PEER, peer)),
        )
    )
    changes.add(
        f"ip link add {device(near.name, 'name')} "
        + (f"master {master} up " if master and up else f"master {master} " if master else "up " if up else "")
        + f"address {near.mac} mtu {mtu} type veth peer name {far.name} address {far.mac} mtu {mtu}"
        + (f" netns {far.namespace}" if far.namespace else ""),
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        body,
    )
