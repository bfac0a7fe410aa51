"""``Flow``: one line of the flow log, and ``FlowSource``: who can tell of flows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["DROPPED", "FORWARDED", "PROTOCOLS", "Flow", "FlowSource"]

FORWARDED, DROPPED = "forwarded", "dropped"
PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP"}


@dataclass(frozen=True, slots=True)
class Flow:
    """The first packet of a conversation, as one node saw it; or one request, as a proxy saw it."""

    #: seconds since 1970
    time: float
    #: who saw it; a conversation between nodes is seen by both
    node: str
    #: names of pods or nodes, or addresses where nobody of the lab has them
    source: str
    destination: str
    #: ``TCP``, ``UDP``, ``ICMP``, ``HTTP``
    protocol: str
    #: the destination's; 0 for a protocol without ports
    port: int
    #: ``forwarded`` or ``dropped``
    verdict: str
    #: why it was dropped
    reason: str = ""
    #: who decided: policies and the numbers of their rules
    policy: str = ""
    source_address: str = ""
    destination_address: str = ""
    #: for ICMP the number that the sender chose
    source_port: int = 0
    #: numbers that stand for labels, in networks that have them; 0 elsewhere
    source_identity: int = 0
    destination_identity: int = 0
    #: of a request: what was asked for, the answer's status, and how long it took, in milliseconds
    method: str = ""
    path: str = ""
    status: int = 0
    latency: float = 0.0


class FlowSource(Protocol):
    """Tells of one node's flows, from when it was opened until ``close``.

    Its flows have addresses in place of names: who has an address is found by whoever asks.
    """

    @property
    def lost(self) -> int:
        """Flows that it could not tell of, because more came than it could hold."""
        ...

    @property
    def waiting(self) -> bool:
        """Has it heard of flows of which it cannot tell yet how they ended?"""
        ...

    def descriptors(self) -> tuple[int, ...]:
        """What to wait for, for reading."""
        ...

    def read(self) -> list[Flow]:
        """The flows since the last call; does not wait."""
        ...

    def close(self) -> None:
        """Tell no more; nothing of it is left in the kernel."""
        ...
