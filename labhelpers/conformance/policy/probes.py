"""Many connections at once, from pod to pod, by real packets: which of them arrive?

A packet that a policy drops is answered by nothing, so that one has to decide when to stop waiting.  The probes that
are to be blocked are sent first, and all that are to arrive must have arrived after them.
"""

from __future__ import annotations

import errno
import selectors
import socket
import struct
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from labhelpers.errors import AlreadyExists, NotFound
from labhelpers.linux import namespace, tables
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.topology.find import places

__all__ = ["Attempt", "namespaces_of", "try_all"]

_PATIENCE = 3.0  # seconds, if something that ought to arrive does not
_AGAIN = 0.3  # seconds, after which a datagram is sent again: the first may have met a neighbour not yet known
#: seconds, for what ought not to arrive: it was sent before all the rest, which has arrived
_GRACE = 0.05
_TOKEN = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to try."""

    #: the address of a pod
    source: str
    destination: str
    #: ``TCP`` or ``UDP``
    protocol: str
    port: int
    #: only the order and the waiting depend on it
    expected: bool = True


def namespaces_of(addresses: Iterable[str]) -> dict[str, NetworkNamespace]:
    """The namespace that each of these addresses is in, as the kernel says.  Changes nothing.

    Raises:
        NotFound: an address is in none.
    """
    wanted = set(addresses)
    found: dict[str, NetworkNamespace] = {}
    here = [NetworkNamespace("", path, inode) for inode, path in places()]
    for one, netlink in namespace.sockets(here):
        for link in tables.read_links(netlink):
            found.update((text.split("/")[0], one) for text in link.addresses if text.split("/")[0] in wanted)
    missing = sorted(wanted - found.keys())
    if missing:
        raise NotFound(f"No namespace has the address {missing[0]}.", "Wait until the pod runs, or leave it out.")
    return found


def try_all(attempts: Sequence[Attempt], where: Mapping[str, NetworkNamespace]) -> list[str]:
    """Try all connections: is each ``allowed``, ``blocked`` (nothing came back) or ``refused`` (an answer said no)?

    While it runs, each destination has a socket on each port that is tried; a server of the pod's own may stand for it.

    Args:
        where: the namespace of each address.

    Raises:
        AlreadyExists: something in a pod uses a UDP port.
        NotInSandbox, Vanished.

    Shell: ``ip netns exec SOURCE nc -z DESTINATION PORT``, for each.
    """
    require_sandbox()
    with held(), ExitStack() as opened:
        return _Probing(attempts, where, opened).results()


class _Probing:
    def __init__(self, attempts: Sequence[Attempt], where: Mapping[str, NetworkNamespace], opened: ExitStack) -> None:
        self._attempts, self._where, self._opened = attempts, where, opened
        self._results = ["blocked"] * len(attempts)
        self._ready = opened.enter_context(selectors.DefaultSelector())
        self._senders: dict[str, socket.socket] = {}
        for destination, protocol, port in sorted({(one.destination, one.protocol, one.port) for one in attempts}):
            self._listen(destination, protocol, port)

    def _socket(self, address: str, kind: int) -> socket.socket:
        made = self._where[address].visit(lambda: socket.socket(socket.AF_INET, kind))
        self._opened.enter_context(made)
        made.setblocking(False)
        return made

    def _listen(self, address: str, protocol: str, port: int) -> None:
        receiving = self._socket(address, socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM)
        if protocol == "TCP":
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            receiving.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            if protocol == "TCP":
                return  # a server of the pod's own
            raise AlreadyExists(f"UDP port {port} is taken in {address}.", "Choose another port to try.") from None
        if protocol == "TCP":
            receiving.listen(1024)  # the kernel completes connections; nobody needs to accept them
        else:
            self._ready.register(receiving, selectors.EVENT_READ, None)

    def results(self) -> list[str]:
        order = sorted(range(len(self._attempts)), key=lambda number: self._attempts[number].expected)
        for number in order:
            self._send(number)
        self._wait({number for number in order if self._attempts[number].expected})
        return self._results

    def _send(self, number: int) -> None:
        one = self._attempts[number]
        if one.protocol == "TCP":
            tcp = self._socket(one.source, socket.SOCK_STREAM)
            tcp.connect_ex((one.destination, one.port))
            self._ready.register(tcp, selectors.EVENT_WRITE, number)
        else:
            if one.source not in self._senders:
                self._senders[one.source] = self._socket(one.source, socket.SOCK_DGRAM)
            try:
                self._senders[one.source].sendto(_TOKEN.pack(number), (one.destination, one.port))
            except OSError:  # of an earlier one, or a router said no: this one is sent again if it ought to arrive
                pass

    def _wait(self, missing: set[int]) -> None:
        end = time.monotonic() + _PATIENCE
        again = time.monotonic() + _AGAIN
        while missing and time.monotonic() < end:
            missing -= self._take(0.02)
            if time.monotonic() > again:
                for number in missing:
                    if self._attempts[number].protocol == "UDP":
                        self._send(number)
                again = time.monotonic() + _AGAIN
        quiet = time.monotonic() + _GRACE
        while time.monotonic() < quiet:
            self._take(_GRACE / 5)

    def _take(self, timeout: float) -> set[int]:
        """Note what is there within ``timeout`` seconds; returns those about which nothing more is to be learned."""
        known: set[int] = set()
        for key, _ in self._ready.select(timeout):
            one = key.fileobj
            assert isinstance(one, socket.socket)
            if key.data is None:
                known |= self._datagrams(one)
                continue
            self._ready.unregister(one)
            problem = one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._results[key.data] = "refused" if problem else "allowed"
            known.add(key.data)
        return known

    def _datagrams(self, receiving: socket.socket) -> set[int]:
        known: set[int] = set()
        while True:
            try:
                data = receiving.recv(64)
            except BlockingIOError:
                return known
            if len(data) == _TOKEN.size:
                (number,) = _TOKEN.unpack(data)
                if number < len(self._results):
                    self._results[number] = "allowed"
                    known.add(number)
