"""``Switch``: the way of a frame: taken off the bridge's cable, sent to a neighbour by UDP, passed on, put on a cable.

The peer that captures a frame decides which peer it is for, by the MAC address; those on the way need not know it.
A frame whose receiver nobody has heard of goes to all, along a tree of shortest ways.
"""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from labhelpers.linux.frames import FramePort
from labhelpers.networks.weave import paths, sleeve
from labhelpers.networks.weave.connection import Connection
from labhelpers.networks.weave.macs import MacTable, is_group
from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.sleeve import EVERYBODY, FRAME, HEADER, NAME, Carried, pack, unpack

__all__ = ["HOPS", "Switch"]

#: peers that may pass a frame on
HOPS = 16
_AT_ONCE = 64  # frames of one direction before the other gets its turn
_ETHERNET = 14  # bytes of a frame's header
#: bytes of frames in one datagram; a frame that is longer has one of its own
_FILL = 1400
_LARGEST = 65535


class Switch:
    """Moves frames.  Keeps what it learns of MAC addresses; whom it is connected with and the ways it is told.

    Args:
        me: this peer's name.
        cable: where the bridge's frames come out.
        datagrams: a UDP socket, to send and to receive.
        port: of all peers.
        clock: seconds, never goes back.
    """

    def __init__(
        self, me: bytes, cable: FramePort, datagrams: socket.socket, port: int, clock: Callable[[], float]
    ) -> None:
        self._me, self._cable, self._datagrams, self._port, self._clock = me, cable, datagrams, port, clock
        self.macs = MacTable()
        self.connections: Mapping[bytes, Connection] = {}
        #: what became of frames; and why what others sent was not taken
        self.counted: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        #: called with a sign of life, and when an address was learned or has moved
        self.on_heartbeat: Callable[[Connection, bytes], None] = lambda connection, frame: None
        self.on_learned: Callable[[], None] = lambda: None
        self._waiting: dict[bytes, list[bytes]] = {}
        self._graph: paths.Graph = {}
        self._next: dict[bytes, bytes] = {}
        self._trees: dict[bytes, list[bytes]] = {}

    def know(self, graph: paths.Graph) -> None:
        """Peers are connected like this now."""
        self._graph = graph
        self._next = paths.next_hops(graph, self._me)
        self._trees = {source: paths.children(graph, source, self._me) for source in graph}

    def next_hop(self, peer: bytes) -> bytes | None:
        """The neighbour by which a peer is reached, ``None`` if there is no way."""
        return self._next.get(peer)

    # --- from the bridge --------------------------------------------------------------------------------------------

    def capture(self) -> None:
        """Take what waits on the cable, and send it on."""
        now = self._clock()
        for _ in range(_AT_ONCE):
            frame = self._cable.receive()
            if frame is None:
                break
            if len(frame) >= _ETHERNET:
                self._captured(frame, now)
        self._flush()

    def _captured(self, frame: bytes, now: float) -> None:
        self.counted["captured"] += 1
        destination, source = frame[:6], frame[6:12]
        self._learn(source, self._me, now)
        peer = None if is_group(destination) else self.macs.peer_of(destination, now)
        if peer == self._me:  # the bridge did not know yet that it is one of its own
            return
        if peer is not None and peer in self._next:
            self._queue(self._next[peer], Carried(self._me, peer, FRAME, HOPS, frame))
        else:
            self._to_children(Carried(self._me, EVERYBODY, FRAME, HOPS, frame))

    def _to_children(self, carried: Carried) -> None:
        for child in self._trees.get(carried.source, ()):
            self._queue(child, carried)

    def learn(self, mac: bytes, peer: bytes) -> None:
        """Somebody else says behind which peer an address lives."""
        self._learn(mac, peer, self._clock())

    def _learn(self, mac: bytes, peer: bytes, now: float) -> None:
        if self.macs.learn(mac, peer, now):
            self.on_learned()

    # --- from other peers -------------------------------------------------------------------------------------------

    def receive(self) -> None:
        """Take the datagrams that have arrived."""
        for _ in range(_AT_ONCE):
            try:
                datagram, (address, _) = self._datagrams.recvfrom(_LARGEST)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error about an earlier datagram
                continue
            try:
                self._datagram(datagram, address)
            except Refused as refusal:
                self.refused[refusal.reason] += 1
        self._flush()

    def _datagram(self, datagram: bytes, address: str) -> None:
        connection = self.connections.get(datagram[:NAME])
        if connection is None or connection.address != address:
            raise Refused("a datagram of a stranger")
        payload = connection.session.open(datagram[NAME:])
        now = self._clock()
        connection.heard_at = now
        for carried in unpack(payload):
            if carried.kind == FRAME:
                self._carried(carried, now)
            elif carried.kind == sleeve.HEARTBEAT and carried.source == connection.peer:
                self.on_heartbeat(connection, carried.frame)
            else:
                raise Refused("a frame of a kind that is none")

    def _carried(self, carried: Carried, now: float) -> None:
        if carried.source == self._me or carried.source not in self._graph:
            raise Refused("a frame of a peer that cannot have sent it this way")
        if carried.destination == self._me:
            self._deliver(carried, now)
        elif carried.destination == EVERYBODY:
            self._deliver(carried, now)
            if self._may_go_on(carried):
                self._to_children(carried._replace(hops=carried.hops - 1))
        elif self._may_go_on(carried):
            if (hop := self._next.get(carried.destination)) is None:
                self.counted["lost, no way"] += 1
            else:
                self.counted["passed on"] += 1
                self._queue(hop, carried._replace(hops=carried.hops - 1))

    def _may_go_on(self, carried: Carried) -> bool:
        if carried.hops:
            return True
        self.counted["lost, too many hops"] += 1
        return False

    def _deliver(self, carried: Carried, now: float) -> None:
        if len(carried.frame) < _ETHERNET:
            raise Refused("a frame that is cut off")
        self._learn(carried.frame[6:12], carried.source, now)
        self.counted["delivered" if self._cable.send(carried.frame) else "lost, the cable is full or down"] += 1

    # --- to other peers ---------------------------------------------------------------------------------------------

    def send(self, connection: Connection, frame: bytes, kind: int) -> None:
        """Send something of the router's own to a neighbour, at once."""
        self._send(connection, pack(Carried(self._me, connection.peer, kind, 0, frame)))

    def _queue(self, neighbour: bytes, carried: Carried) -> None:
        """Frames that come together travel together, as many as fit."""
        waiting = self._waiting.setdefault(neighbour, [])
        if waiting and sum(map(len, waiting)) + HEADER + len(carried.frame) > _FILL:
            self._flush_one(neighbour, waiting)
        waiting.append(pack(carried))

    def _flush(self) -> None:
        for neighbour, waiting in self._waiting.items():
            if waiting:
                self._flush_one(neighbour, waiting)

    def _flush_one(self, neighbour: bytes, waiting: list[bytes]) -> None:
        payload = b"".join(waiting)
        waiting.clear()
        if (connection := self.connections.get(neighbour)) is None:
            self.counted["lost, no way"] += 1
        else:
            self._send(connection, payload)

    def _send(self, connection: Connection, payload: bytes) -> None:
        self.counted["datagrams"] += 1
        with suppress(OSError):  # a full queue, nobody there: it is lost, as on any wire
            self._datagrams.sendto(self._me + connection.session.seal(payload), (connection.address, self._port))
