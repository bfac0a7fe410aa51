"""Wait until the kernel has noticed which interfaces have a signal.

When the second end of a veth pair is set up, or the first cable is plugged into a bridge, the kernel may
write "up" into the state as much as a second later (``net/core/link_watch.c``).  Until then a bridge drops
what comes in at such a port.  When its last cable goes, "down" is written as late.

A neighbour that does not answer is asked three times, a second apart (``mcast_solicit`` in ip-sysctl).  Whatever is
sent to it meanwhile waits, and is lost with the last question, although what was wrong has been repaired since.
"""

from __future__ import annotations

import time

from labhelpers.linux.inside import require_sandbox
from labhelpers.topology import NamespaceState, Snapshot

__all__ = ["settle"]

_LONGEST = 4.0  # seconds; link_watch.c waits for one at most, and three questions are answered or not after three
_PAUSE = 0.02


def settle() -> None:
    """Change nothing: wait until every cable with both ends set up, and every bridge on one, has a signal.

    A bridge without any cable has none afterwards, and nobody is still being asked for its MAC address.

    Raises:
        NotInSandbox: the notebook runs on another kernel, whose network is none of our business.
    """
    require_sandbox()
    end = time.monotonic() + _LONGEST
    while _waiting(Snapshot.take()) and time.monotonic() < end:
        time.sleep(_PAUSE)


def _waiting(snapshot: Snapshot) -> bool:
    return any(_cables(snapshot)) or any(_bridges(state) or _asks(state) for state in snapshot)


def _cables(snapshot: Snapshot) -> list[bool]:
    ends = [[snapshot[end.namespace].links[end.link] for end in (cable.a, cable.b)] for cable in snapshot.cables]
    return [any(link.state != "up" for link in pair) for pair in ends if all(link.up for link in pair)]


def _bridges(state: NamespaceState) -> bool:
    fed = {link.master for link in state.links if link.state == "up"}
    plugged = {link.master for link in state.links}
    bridges = [link for link in state.links if link.kind == "bridge" and link.up]
    return any(
        (link.state != "up" and link.name in fed) or (link.state == "up" and link.name not in plugged)
        for link in bridges
    )


def _asks(state: NamespaceState) -> bool:
    return any(neighbour.state == "incomplete" for neighbour in state.neighbours)
