"""``Datapath``: tells of the flows through a network that has a datapath of its own, past the node's firewall."""

from __future__ import annotations

from labhelpers.lab.flow_events import FlowEvent, FlowEvents
from labhelpers.trace.flows.flow import DROPPED, FORWARDED, PROTOCOLS, Flow

__all__ = ["Datapath"]


class Datapath:
    """A source of flows for one node."""

    def __init__(self, node: str, events: FlowEvents) -> None:
        self._node, self._events = node, events

    @property
    def lost(self) -> int:
        """Events that did not fit the kernel's buffer."""
        return self._events.lost

    @property
    def waiting(self) -> bool:
        """It hears of flows when all is known of them."""
        return False

    def descriptors(self) -> tuple[int, ...]:
        """What to wait for."""
        return (self._events.fileno(),)

    def read(self) -> list[Flow]:
        """The flows since the last call."""
        return [self._flow(one) for one in self._events.read()]

    def _flow(self, one: FlowEvent) -> Flow:
        policy = f"{one.policy} {one.direction} rule {one.rule}" if one.policy else ""
        reason = f"{one.reason} ({one.direction})" if one.reason and one.direction else one.reason
        return Flow(
            time=one.time / 1e9,
            node=self._node,
            source=one.source,
            destination=one.destination,
            protocol=PROTOCOLS.get(one.protocol, str(one.protocol)),
            port=one.destination_port,
            verdict=FORWARDED if one.forwarded else DROPPED,
            reason=reason,
            policy=policy,
            source_address=one.source,
            destination_address=one.destination,
            source_port=one.source_port,
            source_identity=one.source_identity,
            destination_identity=one.destination_identity,
        )

    def close(self) -> None:
        """Listen no more."""
        self._events.close()
