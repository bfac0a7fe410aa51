"""IP in IP: a packet as the payload of another, IP protocol 4 (RFC 2003, ``man 8 ip-tunnel``)."""

from __future__ import annotations

import socket
from pathlib import Path

from labhelpers.linux import constants as c
from labhelpers.linux import names
from labhelpers.linux.changes import Changes
from labhelpers.linux.link import HEADER
from labhelpers.linux.netlink import attribute, nested, text
from labhelpers.linux.spelling import device

__all__ = ["OVERHEAD", "add", "waits_for_first_use"]

#: bytes: the outer IPv4 header
OVERHEAD = 20


def waits_for_first_use() -> bool:
    """Is IPIP a module that is not loaded?  ``add`` might load it, and ``tunl0`` would appear on the whole machine."""
    return Path("/proc/modules").exists() and not Path("/sys/module/ipip").exists()


def add(changes: Changes, name: str, *, local: str) -> None:
    """Create an IPIP device without a fixed other end: each packet goes to the router that its route names.

    Args:
        local: this end's IPv4 address, the source of the outer packets.

    Raises:
        AlreadyExists: there is one; where the module is loaded every namespace has ``tunl0`` from its beginning.
        KernelFeatureMissing: the kernel has no IPIP.

    Shell: ``ip link add NAME type ipip local ADDRESS``.
    """
    changes.add(
        f"ip link add {device(names.link_name(name), 'name')} type ipip local {local}",
        c.RTM_NEWLINK,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        HEADER.pack(0, 0, 0, 0, 0)
        + text(c.IFLA_IFNAME, name)
        + nested(
            c.IFLA_LINKINFO,
            text(c.IFLA_INFO_KIND, "ipip"),
            nested(c.IFLA_INFO_DATA, attribute(c.IFLA_IPTUN_LOCAL, socket.inet_aton(local))),
        ),
    )
