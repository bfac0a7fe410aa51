"""Put programs where packets pass: at the two hooks that the queueing discipline ``clsact`` gives an interface.

A program there stays until it is taken away or the interface goes; no process needs to live for that.  It keeps the
maps that it uses.  Linux 6.6 has a newer way (TCX), whose attachments end with the process unless they are pinned in a
file system; this one is on every kernel, and leaves nothing that could be forgotten.

Source: ``man 8 tc-bpf``; ``include/uapi/linux/pkt_cls.h``.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from labhelpers.linux import constants as c
from labhelpers.linux import qdisc
from labhelpers.linux.bpf.program import Program
from labhelpers.linux.changes import Changes
from labhelpers.linux.netlink import NetlinkSocket, attributes, nested, number, text

__all__ = ["EGRESS", "INGRESS", "Filter", "attach", "attached", "detach", "hooks", "unhook"]

#: parents: TC_H_CLSACT and TC_H_MIN_INGRESS or TC_H_MIN_EGRESS, pkt_sched.h
INGRESS, EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_WORDS = {INGRESS: "ingress", EGRESS: "egress"}
_RTM_NEWTFILTER, _RTM_DELTFILTER, _RTM_GETTFILTER, _RTM_DELQDISC, _RTM_GETQDISC = 44, 45, 46, 37, 38
_HEADER = struct.Struct("=BxxxiIII")  # struct tcmsg: family, interface index, handle, parent, info
_TCA_KIND, _TCA_OPTIONS = 1, 2
_TCA_BPF_FD, _TCA_BPF_NAME, _TCA_BPF_FLAGS, _TCA_BPF_ID = 6, 7, 8, 11
_DIRECT_ACTION = 1  # what the program returns is done with the packet
_HANDLE = 1
_FIRST_AND_ALL_PROTOCOLS = 1 << 16 | 0x0300  # priority 1, ETH_P_ALL in network order
_CLSACT_HANDLE, _CLSACT_PARENT = 0xFFFF0000, 0xFFFFFFF1


@dataclass(frozen=True, slots=True)
class Filter:
    """A program at a hook."""

    interface: int
    name: str
    #: the kernel's number of the program
    program: int


def attach(changes: Changes, device: str, hook: int, program: Program) -> None:
    """Run a program on every packet that comes in (or goes out) by an interface, in place of the one that is there.

    Args:
        hook: ``INGRESS`` or ``EGRESS``.

    Raises:
        NotFound: there is no such interface, or it has no hooks (see ``hooks``).

    Shell: ``tc filter replace dev DEVICE ingress pref 1 handle 1 bpf direct-action object-pinned PATH``.
    """
    options = (
        number(_TCA_BPF_FD, program.fd) + text(_TCA_BPF_NAME, program.name) + number(_TCA_BPF_FLAGS, _DIRECT_ACTION)
    )
    changes.add(
        f"tc filter replace dev {device} {_WORDS[hook]} pref 1 handle 1 bpf direct-action name {program.name}",
        _RTM_NEWTFILTER,
        c.NLM_F_CREATE | c.NLM_F_REPLACE,
        _HEADER.pack(0, changes.index(device), _HANDLE, hook, _FIRST_AND_ALL_PROTOCOLS)
        + text(_TCA_KIND, "bpf")
        + nested(_TCA_OPTIONS, options),
    )


def detach(changes: Changes, device: str, hook: int) -> None:
    """Take the program away from a hook.  Shell: ``tc filter delete dev DEVICE ingress pref 1``.

    Raises:
        NotFound: there is none.
    """
    changes.add(
        f"tc filter delete dev {device} {_WORDS[hook]} pref 1 handle 1 bpf",
        _RTM_DELTFILTER,
        0,
        _HEADER.pack(0, changes.index(device), _HANDLE, hook, _FIRST_AND_ALL_PROTOCOLS) + text(_TCA_KIND, "bpf"),
    )


def attached(socket: NetlinkSocket, interface: int, hook: int = INGRESS) -> list[Filter]:
    """The programs at a hook of an interface; none if it has no hooks.  Changes nothing.

    Shell: ``tc filter show dev DEVICE ingress``.
    """
    found = []
    try:
        for body in socket.dump(_RTM_GETTFILTER, _HEADER.pack(0, interface, 0, hook, 0)):
            values = attributes(body, _HEADER.size)
            inner = attributes(values.get(_TCA_OPTIONS, b""))
            if _TCA_BPF_ID in inner:
                name = inner.get(_TCA_BPF_NAME, b"").rstrip(b"\0").decode(errors="replace")
                found.append(Filter(interface, name, int.from_bytes(inner[_TCA_BPF_ID], "little")))
    except OSError:
        return []
    return found


def hooks(changes: Changes, device: str) -> None:
    """Give an interface its two hooks, unless it has them.  Shell: ``tc qdisc add dev DEVICE clsact``."""
    if not _has_hooks(changes, device):
        qdisc.add_clsact(changes, device)


def unhook(changes: Changes, device: str) -> None:
    """Take the hooks of an interface away, with all programs there.  Shell: ``tc qdisc delete dev DEVICE clsact``."""
    if _has_hooks(changes, device):
        changes.add(
            f"tc qdisc delete dev {device} clsact",
            _RTM_DELQDISC,
            0,
            _HEADER.pack(0, changes.index(device), _CLSACT_HANDLE, _CLSACT_PARENT, 0) + text(_TCA_KIND, "clsact"),
        )


def _has_hooks(changes: Changes, device: str) -> bool:
    index = changes.index(device)
    changes.apply()
    for body in changes.socket.dump(_RTM_GETQDISC, _HEADER.pack(0, 0, 0, 0, 0)):
        if _HEADER.unpack_from(body)[1] == index and attributes(body, _HEADER.size)[_TCA_KIND] == b"clsact\0":
            return True
    return False
