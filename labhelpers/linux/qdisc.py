"""Queueing disciplines: what happens to packets on their way out of an interface, and in (``man 8 tc``)."""

from __future__ import annotations

import struct

from labhelpers.linux import constants as c
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import text

__all__ = ["add_clsact"]

_RTM_NEWQDISC = 36
_HEADER = struct.Struct("=BxxxiIII")  # struct tcmsg: family, interface index, handle, parent, info
_CLSACT_HANDLE, _CLSACT_PARENT = 0xFFFF0000, 0xFFFFFFF1  # TC_H_CLSACT, pkt_sched.h
_TCA_KIND = 1


def add_clsact(changes: Changes, name: str) -> None:
    """Give an interface the two hooks, ingress and egress, where eBPF programs are attached.

    Shell: ``tc qdisc add dev NAME clsact``.
    """
    header = _HEADER.pack(0, changes.index(name), _CLSACT_HANDLE, _CLSACT_PARENT, 0)
    changes.add(
        f"tc qdisc add dev {name} clsact",
        _RTM_NEWQDISC,
        c.NLM_F_CREATE | c.NLM_F_EXCL,
        header + text(_TCA_KIND, "clsact"),
    )
