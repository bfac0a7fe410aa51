"""Is there an MTU black hole between two pods: do large packets vanish without a word?"""

from __future__ import annotations

import socket

from labhelpers.lab import Pod
from labhelpers.linux.delivery import Receivers, deliver
from labhelpers.linux.traffic import ping

__all__ = ["swallowed"]

_LARGE = 1472  # bytes of a ping that fills a packet of 1500
_PORT = 8767  # an unlikely one
_TRIES = 3  # of a ping: one for what the node says about its tunnel, one for what it says about its eth0
_PATIENCE = 0.5  # seconds; an answer inside one machine takes less than a millisecond


def swallowed(source: Pod, target: Pod) -> str:
    """What large packet from one pod to another vanishes, ``""`` if none does.

    First a ping.  If a router says what fits, the pod notes it, and the next try must arrive: that is no black hole.
    Then one full TCP segment of the size that the pod now finds right.  Only one: several travel through virtual
    cables as one frame, which no MTU stops.

    The pods forget first what they noted earlier, so that the same network gets the same answer again.

    Raises:
        AlreadyExists: something uses port 8767 in the target.
    """
    for pod in (source, target):
        pod.run("ip route flush cache", check=True)
    if not any(ping(source._kernel, target.address, size=_LARGE, timeout=_PATIENCE) for _ in range(_TRIES)):
        return f"a ping of {_LARGE} bytes gets no answer"
    with Receivers([target._kernel], _PORT):
        try:
            size = _segment(source, target)
        except OSError:
            return "no TCP connection opens"
        receipt = deliver(source._kernel, target.address, _PORT, "TCP", bytes(size), timeout=2 * _PATIENCE)
    return "" if receipt.ok else f"a full TCP segment, here of {size} bytes, gets no receipt"


def _segment(source: Pod, target: Pod) -> int:
    """The most bytes that a connection puts into one packet."""
    with source._kernel.visit(lambda: socket.create_connection((target.address, _PORT), timeout=_PATIENCE)) as one:
        return one.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG)
