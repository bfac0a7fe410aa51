"""Bytes that are delivered with a receipt: whom the receiver saw as the sender, and a digest of what it got."""

from __future__ import annotations

import errno
import hashlib
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass

from labhelpers.errors import AlreadyExists
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["LARGEST_DATAGRAM", "Receipt", "Receivers", "deliver"]

#: bytes: 65535 without the headers of IP and UDP
LARGEST_DATAGRAM = 65507
_TRIES = 3  # of a datagram: the first may be lost while its sender learns what fits the way
_IP_RECVERR = 11  # linux/in.h; Python 3.10 has no name for it
_KINDS = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}
_SLICE = 0.05  # seconds
#: a datagram of 64 KiB in fragments takes 150 KiB of a socket's buffer, and two may come at once; the system gives as
#: much of it as it allows
_WANTED_BUFFER = 1 << 20


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender learned.  ``ok``: all of it arrived, unchanged."""

    ok: bool
    #: the source address that the receiver saw
    saw: str = ""
    #: how often it was sent
    tries: int = 1
    error: str = ""


def _receipt(source: str, data: bytes) -> bytes:
    return f"{source} {hashlib.sha256(data).hexdigest()}".encode()


def deliver(
    namespace: NetworkNamespace, destination: str, port: int, protocol: str, data: bytes, *, timeout: float = 2.0
) -> Receipt:
    """Send data from inside a namespace to a receiver, see :class:`Receivers`, and wait for its receipt.

    Args:
        destination: an IPv4 address.
        protocol: ``TCP`` or ``UDP``.
        timeout: seconds, of a TCP conversation or of each datagram.

    Raises:
        Vanished, NotInSandbox.

    Shell: ``ip netns exec NAME socat - TCP:DESTINATION:PORT``.
    """
    require_sandbox()
    converse = {"TCP": _conversation, "UDP": _datagram}[protocol]
    tries = 1 if protocol == "TCP" else _TRIES
    error = ""
    with namespace.visit(lambda: socket.socket(socket.AF_INET, _KINDS[protocol])) as sending:
        sending.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)  # routers' errors reach us as errno, and at once
        for attempt in range(1, tries + 1):
            try:
                answer = converse(sending, (destination, port), data, time.monotonic() + timeout)
            except TimeoutError:
                error = f"no receipt within {timeout:g} s"
            except OSError as problem:
                error = os.strerror(problem.errno or errno.EIO).lower()
            else:
                saw = answer.partition(b" ")[0].decode(errors="replace")
                ok = answer == _receipt(saw, data)
                return Receipt(ok, saw, attempt, "" if ok else "what arrived is not what was sent")
    return Receipt(False, tries=tries, error=error)


def _left(end: float) -> float:
    return max(0.001, end - time.monotonic())


def _conversation(sending: socket.socket, to: tuple[str, int], data: bytes, end: float) -> bytes:
    """All of the data, then the end of it; the receipt, then the end of that."""
    sending.settimeout(_left(end))
    sending.connect(to)
    sending.settimeout(_left(end))
    sending.sendall(data)
    sending.shutdown(socket.SHUT_WR)
    answer = b""
    while True:
        sending.settimeout(_left(end))
        more = sending.recv(4096)
        if not more:
            return answer
        answer += more


def _datagram(sending: socket.socket, to: tuple[str, int], data: bytes, end: float) -> bytes:
    sending.connect(to)
    sending.settimeout(_left(end))
    sending.send(data)
    sending.settimeout(_left(end))
    return sending.recv(4096)


class Receivers:
    """Receive on one TCP and UDP port in each of many namespaces while the ``with`` block runs, and give receipts.

    One thread of this process does it: a socket belongs to the namespace it was made in.

    Raises:
        AlreadyExists: something in a namespace uses the port; nothing is left of the attempt.

    Shell: ``ip netns exec NAME socat TCP-LISTEN:PORT,fork …``, for each namespace and protocol.
    """

    def __init__(self, namespaces: Iterable[NetworkNamespace], port: int) -> None:
        self._namespaces, self._port = tuple(namespaces), port
        self._closing = threading.Event()
        self._sockets = ExitStack()
        self._ready = selectors.DefaultSelector()
        self._conversations: dict[socket.socket, tuple[str, bytearray]] = {}

    def __enter__(self) -> Receivers:
        require_sandbox()
        with held():
            try:
                for one in self._namespaces:
                    self._open(one, "TCP", self._accept)
                    self._open(one, "UDP", self._take_datagram)
            except BaseException:
                self._close()
                raise
            self._thread = threading.Thread(target=self._serve, name="receivers", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with held():
            self._closing.set()
            self._thread.join()
            self._close()

    def _close(self) -> None:
        for open_one in tuple(self._conversations):
            open_one.close()
        self._sockets.close()
        self._ready.close()

    def _open(self, namespace: NetworkNamespace, protocol: str, take: Callable[[socket.socket], None]) -> None:
        receiving = self._sockets.enter_context(
            namespace.visit(lambda: socket.socket(socket.AF_INET, _KINDS[protocol]))
        )
        receiving.setblocking(False)
        if protocol == "TCP":
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER)
        try:
            receiving.bind(("0.0.0.0", self._port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise AlreadyExists(
                f"{protocol} port {self._port} is taken in {namespace.name or 'this namespace'}.",
                "Stop the server there; other namespaces are not affected.",
            ) from None
        if protocol == "TCP":
            receiving.listen(64)
        self._ready.register(receiving, selectors.EVENT_READ, take)

    def _serve(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._ready.select(_SLICE):
                try:
                    key.data(key.fileobj)
                except OSError:  # this sender is gone already; the next one is served
                    self._end(key.fileobj)  # type: ignore[arg-type]

    def _accept(self, listening: socket.socket) -> None:
        conversation, (source, _) = listening.accept()
        conversation.setblocking(False)
        self._conversations[conversation] = (source, bytearray())
        self._ready.register(conversation, selectors.EVENT_READ, self._take_more)

    def _take_more(self, conversation: socket.socket) -> None:
        source, data = self._conversations[conversation]
        more = conversation.recv(1 << 18)
        data += more
        if not more:
            conversation.send(_receipt(source, bytes(data)))  # some dozens of bytes: they always fit
            self._end(conversation)

    def _end(self, conversation: socket.socket) -> None:
        if self._conversations.pop(conversation, None):
            self._ready.unregister(conversation)
            conversation.close()

    def _take_datagram(self, receiving: socket.socket) -> None:
        data, (source, port) = receiving.recvfrom(1 << 16)
        receiving.sendto(_receipt(source, data), (source, port))
