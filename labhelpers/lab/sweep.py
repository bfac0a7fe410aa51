"""Take away everything the lab made, and nothing else.  The kernel knows what that is: the lab keeps no list."""

from __future__ import annotations

import os
from contextlib import suppress

from labhelpers.errors import BadInput, NotFound, Vanished
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace
from labhelpers.linux import holder, link, namespace, nsid, process
from labhelpers.linux.netlink import NetlinkSocket

__all__ = ["all_named", "sweep"]


def all_named() -> list[Namespace]:
    """Every namespace that has a name, whoever made it, in order of name."""
    kernels = []
    for name in sorted(os.listdir(namespace.FOLDER)):
        with suppress(NotFound, BadInput):  # removed this moment, or a name no helper would have given
            kernels.append(namespace.attach(name))
    return [Namespace._made(kernel, Label.of(link.dump(socket))) for kernel, socket in namespace.sockets(kernels)]


def sweep() -> None:
    """Remove every namespace that carries ``owner=lab``, with its processes and its cables."""
    named = all_named()
    ours = [one for one in named if one.owner == "lab"]
    inodes = {one.inode for one in ours}
    process.end_all_in(inodes | _nameless_of_lab(inodes))
    _cut_cables(ours, [one for one in named if one.owner != "lab"])
    for one in ours:
        namespace.delete(one._kernel)
    holder.collect()


def _nameless_of_lab(named: set[int]) -> set[int]:
    """Namespaces of the lab that have no name here, and that a process keeps alive.

    Their names were removed by hand, or they are pods that a CNI runtime made on a node.
    """
    found = set()
    looked_at = named | {namespace.home().inode}
    for pid, inode in process.namespaces_of_processes():
        if inode in looked_at:
            continue
        looked_at.add(inode)
        with suppress(Vanished), namespace.NetworkNamespace("", f"/proc/{pid}/ns/net", inode).socket() as socket:
            if Label.of(link.dump(socket)).owner in ("lab", "cni"):
                found.add(inode)
    return found


def _cut_cables(ours: list[Namespace], others: list[Namespace]) -> None:
    """Remove the cables between namespaces of the lab and others, whose ends would linger there for a while."""
    for place in (namespace.home(), *(one._kernel for one in others)):
        with suppress(NotFound), place.changes() as changes:  # what goes by itself meanwhile is as good
            cables = [one for one in link.dump(changes.socket) if one.kind == "veth" and one.peer_nsid >= 0]
            if cables:
                ids = {_id(changes.socket, one) for one in ours}
                link.delete_together(changes, [one.name for one in cables if one.peer_nsid in ids])


def _id(socket: NetlinkSocket, one: Namespace) -> int:
    fd = one._kernel.open()
    try:
        return nsid.get(socket, fd)
    finally:
        os.close(fd)
