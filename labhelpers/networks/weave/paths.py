"""Ways through the graph of peers: the next peer on the shortest way, and the tree along which all are reached.

Every peer computes them for itself.  Peers that know the same graph come to the same result, as names decide where two
ways are equally short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

__all__ = ["Graph", "children", "next_hops", "reachable"]

#: the neighbours of each peer, in the order of names
Graph = Mapping[bytes, Sequence[bytes]]


def _parents(graph: Graph, root: bytes) -> dict[bytes, bytes]:
    """Breadth first from ``root``: from whom each peer that can be reached is reached."""
    found = {root: root}
    edge = [root]
    while edge:
        beyond = []
        for one in edge:
            for other in graph.get(one, ()):
                if other not in found:
                    found[other] = one
                    beyond.append(other)
        edge = sorted(beyond)
    return found


def reachable(graph: Graph, root: bytes) -> set[bytes]:
    """All peers to which there is a way, ``root`` included."""
    return set(_parents(graph, root))


def next_hops(graph: Graph, me: bytes) -> dict[bytes, bytes]:
    """For each other peer that can be reached: the neighbour to hand a frame to."""
    parents = _parents(graph, me)
    hops: dict[bytes, bytes] = {}
    for one in parents:
        if one == me:
            continue
        # those nearer to us come first in ``parents``, so that the way of the parent is known
        hops[one] = one if parents[one] == me else hops[parents[one]]
    return hops


def children(graph: Graph, source: bytes, me: bytes) -> list[bytes]:
    """To whom ``me`` passes on what ``source`` sends to everybody: each peer gets it from one only."""
    return sorted(one for one, parent in _parents(graph, source).items() if parent == me and one != source)
