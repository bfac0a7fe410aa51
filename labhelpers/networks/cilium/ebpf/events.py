"""``RingEvents``: what the programs of one node tell about flows, read from their ring buffer."""

from __future__ import annotations

import socket
import time

from labhelpers.linux.bpf.maps import Map
from labhelpers.linux.bpf.ring import Ring
from labhelpers.networks.cilium.datapath import FlowEvent
from labhelpers.networks.cilium.ebpf import records
from labhelpers.networks.cilium.ebpf.loaded import Loaded
from labhelpers.networks.cilium.ebpf.reasons import REASONS

__all__ = ["RingEvents", "named"]


class RingEvents:
    """See ``Events``.  Takes the tables that it is given, and lets go of them at ``close``."""

    def __init__(self, node: str, loaded: Loaded) -> None:
        self._node, self._loaded = node, loaded
        events = loaded.maps["events"]
        try:
            self._ring = Ring(events.fd, events.kind.entries, from_now=True)
        except BaseException:
            loaded.close()
            raise
        self._before = self._count()

    @property
    def lost(self) -> int:
        """Events that did not fit the kernel's buffer since this was opened."""
        return self._count() - self._before

    def fileno(self) -> int:
        """See ``Events``."""
        return self._loaded.maps["events"].fd

    def read(self, timeout: float = 0.0) -> list[FlowEvent]:
        """See ``Events``."""
        if timeout > 0:
            self._ring.wait(timeout)
        # the kernel stamps events with the time since the machine started
        started = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        return [self._event(record, started) for record in self._ring.read()]

    def close(self) -> None:
        """See ``Events``."""
        self._ring.close()
        self._loaded.close()

    def _count(self) -> int:
        value = self._loaded.maps["lost"].get(records.NUMBER.pack(0))
        return int.from_bytes(value or b"", "little")

    def _event(self, record: bytes, started: int) -> FlowEvent:
        stamp, source, destination, *ports, protocol, reason, direction, asked = records.EVENT.unpack(record)[:9]
        source_identity, destination_identity, rule = records.EVENT.unpack(record)[9:]
        policy, number = named(self._loaded.maps["rules"], rule)
        return FlowEvent(
            time=started + stamp,
            node=self._node,
            source=socket.inet_ntoa(source),
            destination=socket.inet_ntoa(destination),
            protocol=protocol,
            source_port=int.from_bytes(ports[0], "big"),
            destination_port=int.from_bytes(ports[1], "big"),
            source_identity=source_identity,
            destination_identity=destination_identity,
            forwarded=not reason,
            direction=records.direction_of(direction) if asked else "",
            reason=REASONS[reason],
            policy=policy,
            rule=number,
        )


def named(rules: Map, number: int) -> tuple[str, int]:
    """The policy and the rule that a number stands for; ``("", 0)`` for none, or for one that has gone."""
    value = rules.get(records.NUMBER.pack(number)) if number else None
    if value is None:
        return "", 0
    policy, rule = records.RULE.unpack(value)
    return policy.rstrip(b"\0").decode(errors="replace"), rule
