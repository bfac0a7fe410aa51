"""Read a snapshot: the tables of every network namespace, and which cable ends belong together."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace

from labhelpers.errors import NotFound
from labhelpers.lab.label import Label
from labhelpers.linux import namespace, nft, tables
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.linux.worker import visit_each
from labhelpers.topology.find import Found, find
from labhelpers.topology.model import NamespaceState, Snapshot
from labhelpers.topology.pair import Place, cables

__all__ = ["take"]

_AT_ONCE = 64  # namespaces whose sockets are open together
_ROLES = ("host", "underlay", "node", "pod", "namespace", "unknown")


def take(*, firewall: bool = False) -> Snapshot:
    """Read every network namespace now.  Changes nothing.

    Args:
        firewall: read the nftables rulesets too.

    Shell: ``ip -all netns exec ip -details address; ip route; ip neighbour; bridge fdb; ip rule``.
    """
    found = find()
    places: list[Place] = []
    for start in range(0, len(found), _AT_ONCE):
        places += _read(found[start : start + _AT_ONCE])
    places.sort(key=lambda place: (_rank(place[1].role), place[1].name))
    pairs = cables(places)
    if firewall:
        places = [(one, replace(state, firewall=_ruleset(one))) for one, state in places]
    return Snapshot(tuple(state for _, state in places), pairs)


def _rank(role: str) -> int:
    return _ROLES.index(role) if role in _ROLES else len(_ROLES)


def _read(found: list[Found]) -> list[Place]:
    """The state of each, without those that ended meanwhile or may not be entered."""
    with ExitStack() as opened:
        alive, fds = [], []
        for one in found:
            fd = one.open()
            if fd >= 0:
                opened.callback(os.close, fd)
                alive.append(one)
                fds.append(fd)
        sockets = [socket and opened.enter_context(socket) for socket in visit_each(fds, NetlinkSocket)]
        return [(one, _state(one, socket)) for one, socket in zip(alive, sockets, strict=True) if socket]


def _state(one: Found, socket: NetlinkSocket) -> NamespaceState:
    content = tables.read(socket)
    label = Label.of(content.links)
    pid = min(one.pids, default=0)
    is_home = one.path == namespace.home().path
    return NamespaceState(
        name="host" if is_home else label.name or one.file_name or f"pid-{pid}",
        role="host" if is_home else label.role or ("namespace" if one.file_name else "unknown"),
        inode=one.inode,
        node=label.node,
        owner=label.owner,
        pid=pid,
        links=content.links,
        routes=content.routes,
        neighbours=content.neighbours,
        fdb=content.fdb,
        rules=content.rules,
        cookie=socket.cookie(),
    )


def _ruleset(one: Found) -> str | None:
    try:
        return nft.ruleset(namespace.NetworkNamespace(one.file_name, one.path, one.inode))
    except NotFound:  # it ended meanwhile
        return None
