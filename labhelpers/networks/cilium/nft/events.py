"""``LoggedEvents``: what the rules of one node tell about flows, by NFLOG."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

from labhelpers.linux import nft_library
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.nflog import Log, Logged
from labhelpers.networks.cilium.datapath import FlowEvent
from labhelpers.networks.cilium.nft import show
from labhelpers.networks.cilium.nft.names import GROUP, TABLE

__all__ = ["LoggedEvents"]

_TCP, _UDP = 6, 17
_DIRECTIONS = ("egress", "ingress")


class LoggedEvents:
    """See ``Events``."""

    def __init__(self, node: str, namespace: NetworkNamespace) -> None:
        self._node, self._namespace = node, namespace
        self._log = Log(namespace, GROUP)
        self._generation = -1
        self._owner = show.owners({}, ())

    @property
    def lost(self) -> int:
        """Events that did not fit the socket's buffer."""
        return self._log.lost

    def fileno(self) -> int:
        """See ``Events``."""
        return self._log.fileno()

    def read(self, timeout: float = 0.0) -> list[FlowEvent]:
        """See ``Events``."""
        logged = self._log.read(timeout)
        if logged:
            self._look()
        return list(self._together(logged))

    def close(self) -> None:
        """See ``Events``."""
        self._log.close()

    def _together(self, logged: list[Logged]) -> Iterator[FlowEvent]:
        """One event for each packet: where both ends' policies were asked, that of the second decides."""
        last: tuple[Logged, FlowEvent] | None = None
        for one in logged:
            event = self._event(one)
            if event is None:
                continue
            if last and (last[0].packet != one.packet or last[1].direction != "egress"):
                yield last[1]
            last = one, event
        if last:
            yield last[1]

    def _event(self, one: Logged) -> FlowEvent | None:
        packet = one.packet
        if len(packet) < 20 or packet[0] >> 4 != 4:
            return None
        verdict, *words = one.prefix.split()
        source, destination = (socket.inet_ntoa(packet[begin : begin + 4]) for begin in (12, 16))
        ports = self._ports(packet)
        event = FlowEvent(
            time=int(one.time * 1e9),
            node=self._node,
            source=source,
            destination=destination,
            protocol=packet[9],
            source_port=ports[0],
            destination_port=ports[1],
            source_identity=self._owner(source),
            destination_identity=self._owner(destination),
            forwarded=verdict != "dropped",
        )
        if verdict == "allowed":
            direction, policy, rule = words
            return replace(event, direction=direction, policy=policy, rule=int(rule))
        if verdict == "dropped":
            direction = words[0] if words[0] in _DIRECTIONS else ""
            return replace(event, direction=direction, reason=show.REASONS[words[0]])
        return event

    @staticmethod
    def _ports(packet: bytes) -> tuple[int, int]:
        begin = (packet[0] & 15) * 4
        if packet[9] not in (_TCP, _UDP) or len(packet) < begin + 4 or packet[6] & 0x1F or packet[7]:
            return 0, 0
        return int.from_bytes(packet[begin : begin + 2], "big"), int.from_bytes(packet[begin + 2 : begin + 4], "big")

    def _look(self) -> None:
        """Who has which address, asked again only when a table of the node was changed."""
        generation = nft_library.generation(self._namespace)
        if generation == self._generation:
            return
        held = {
            name: nft_library.elements(self._namespace, TABLE, "map", name) for name in ("ipcache", "ipcache-blocks")
        }
        self._owner = show.owners(*show.identities(held))
        self._generation = generation
