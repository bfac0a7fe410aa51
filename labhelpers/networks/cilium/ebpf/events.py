"""``RingEvents``: what the programs of one node tell about flows, read from their ring buffer."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from functools import partial

from labhelpers.errors import AlreadyExists
from labhelpers.linux.bpf.maps import Map
from labhelpers.linux.bpf.ring import Ring
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.networks.cilium.datapath import FlowEvent
from labhelpers.networks.cilium.ebpf import records
from labhelpers.networks.cilium.ebpf.loaded import Loaded
from labhelpers.networks.cilium.ebpf.reasons import REASONS

__all__ = ["RingEvents", "named"]


class RingEvents:
    """See ``Events``.

    Raises:
        NotFound: nothing is at work in the node.
        AlreadyExists: somebody listens already, and what one has read another would not get.
    """

    def __init__(self, node: str, namespace: NetworkNamespace) -> None:
        self._node = node
        with ExitStack() as undo:
            self._loaded = undo.enter_context(Loaded.at(namespace))
            undo.enter_context(namespace.visit(partial(_seat, node)))
            events = self._loaded.maps["events"]
            self._ring = Ring(events.fd, events.kind.entries, from_now=True)
            undo.callback(self._ring.close)
            self._before = self._count()
            self._undo = undo.pop_all()

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
        self._undo.close()

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


def _seat(node: str) -> socket.socket:
    """A name that only one can have in a network namespace, and that goes with who has it (``man 7 unix``)."""
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        taken.bind("\0pod-networking/cilium-events")
    except OSError:
        taken.close()
        raise AlreadyExists(
            f"Somebody listens to the flow events of {node} already, and one can.",
            "End that first: close() or stop it.",
        ) from None
    return taken


def named(rules: Map, number: int) -> tuple[str, int]:
    """The policy and the rule that a number stands for; ``("", 0)`` for none, or for one that has gone."""
    value = rules.get(records.NUMBER.pack(number)) if number else None
    if value is None:
        return "", 0
    policy, rule = records.RULE.unpack(value)
    return policy.rstrip(b"\0").decode(errors="replace"), rule
