"""The part of a snapshot that the same commands always produce."""

from __future__ import annotations

from dataclasses import replace

from labhelpers.linux.records import Link, Rows
from labhelpers.topology.model import NamespaceState, Snapshot

__all__ = ["normalised"]


def normalised(snapshot: Snapshot) -> Snapshot:
    """The snapshot without what differs from run to run: indexes, ids, processes, learned entries and neighbours."""
    return Snapshot(tuple(_state(state) for state in snapshot), snapshot.cables)


def _state(state: NamespaceState) -> NamespaceState:
    return replace(
        state,
        inode=0,
        cookie=0,
        pid=0,
        links=Rows(sorted((_link(link) for link in state.links), key=lambda link: link.name)),
        routes=Rows(sorted(state.routes, key=repr)),
        neighbours=Rows(sorted((row for row in state.neighbours if row.state == "permanent"), key=repr)),
        fdb=Rows(row for row in state.fdb if row.kind != "learned"),
    )


def _link(link: Link) -> Link:
    # a tunnel's details name the interface below by its index
    details = tuple(pair for pair in link.details if pair[0] != "link")
    return replace(link, index=0, peer_index=0, peer_nsid=-1, details=details)
