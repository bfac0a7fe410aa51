"""``Connection``: one neighbour.  Greeting, messages by TCP, and whether datagrams arrive.

Both send a greeting with a fresh public key, then a first sealed message: who has another password cannot open it.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import Any

from labhelpers.networks.weave import messages
from labhelpers.networks.weave.announcement import Announcement
from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.session import Session, new_keys

__all__ = ["Connection", "Stream", "greet"]

_PROTOCOL = "model of weave, 1"
_PATIENCE = 10.0  # seconds for a greeting
#: seconds without a sign of life until a way is held to be broken; the fast one is given up sooner, as there is another
_SILENCE, _FAST_SILENCE = 10.0, 4.0
_KEEPALIVE = {socket.TCP_KEEPIDLE: 5, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 3, socket.TCP_USER_TIMEOUT: 11_000}
_MOST_WAITING = 1 << 20  # bytes for a neighbour that does not read: then it is given up


class Connection:
    """A neighbour that has been greeted.

    Args:
        first: its announcement, as it introduced itself.
    """

    def __init__(self, first: Announcement, address: str, session: Session, stream: Stream) -> None:
        self.peer, self.nickname, self.address, self.session = first.name, first.nickname, address, session
        self._stream = stream
        self.since = time.monotonic()
        #: when its last datagram came; whether it says that ours arrive
        self.heard_at: float | None = None
        self.hears_us = False
        #: the same of the fast way
        self.fast_heard_at: float | None = None
        self.fast_hears_us = False

    def hears(self, now: float) -> bool:
        """Do its datagrams arrive?"""
        return _lately(self.heard_at, now, _SILENCE)

    def fast_hears(self, now: float) -> bool:
        """Does what it sends by VXLAN arrive?"""
        return _lately(self.fast_heard_at, now, _FAST_SILENCE)

    def works(self, now: float) -> bool:
        """Do datagrams get there and back?"""
        return self.hears_us and self.hears(now)

    def is_fast(self, now: float) -> bool:
        """Does the kernel's VXLAN get there and back?"""
        return self.works(now) and self.fast_hears_us and self.fast_hears(now)

    def send(self, content: dict[str, Any]) -> None:
        """Send a message, sealed."""
        self._stream.send(self.session.seal_message(messages.encoded(content)))

    async def receive(self) -> dict[str, Any]:
        """The next message.

        Raises:
            Refused, asyncio.IncompleteReadError, OSError.
        """
        return messages.decoded(self.session.open_message(await self._stream.receive()))

    def close(self) -> None:
        """End it."""
        self._stream.close()


def _lately(when: float | None, now: float, silence: float) -> bool:
    return when is not None and now - when <= silence


class Stream:
    """Messages on a TCP connection, not sealed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        tcp = writer.get_extra_info("socket")
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():
            tcp.setsockopt(socket.IPPROTO_TCP, option, value)

    def send(self, message: bytes) -> None:
        """Send one, in its turn.  To a neighbour that does not read the connection is ended."""
        if self._writer.transport.get_write_buffer_size() > _MOST_WAITING:
            self.close()
        elif not self._writer.is_closing():
            self._writer.write(messages.framed(message))

    async def receive(self) -> bytes:
        """The next one, see ``messages.receive``."""
        return await messages.receive(self._reader)

    def close(self) -> None:
        """End the connection."""
        with suppress(RuntimeError):  # the loop has ended
            self._writer.transport.abort()


async def greet(stream: Stream, me: Announcement, password: str, address: str, *, is_caller: bool) -> Connection:
    """Exchange greetings and keys on a fresh TCP connection.

    Raises:
        Refused, asyncio.TimeoutError, asyncio.IncompleteReadError, OSError.
    """
    public, secret = new_keys()
    hello = {"protocol": _PROTOCOL, "key": public.hex() if password else "", "peer": me.written()}
    stream.send(messages.encoded(hello))
    theirs = messages.decoded(await asyncio.wait_for(stream.receive(), _PATIENCE))
    if theirs.get("protocol") != _PROTOCOL:
        raise Refused("a greeting of another protocol")
    first = Announcement.read(theirs.get("peer"))
    if first.name == me.name:
        raise Refused("a greeting under this peer's own name")
    key = theirs.get("key")
    if not isinstance(key, str) or bool(key) != bool(password):
        raise Refused("one of the two has a password, the other has none")
    try:
        session = Session(secret, bytes.fromhex(key), password, is_caller=is_caller)
    except ValueError as error:
        raise error if isinstance(error, Refused) else Refused("a public key that is none") from None
    connection = Connection(first, address, session, stream)
    connection.send({"kind": "ready"})
    try:
        sealed = await asyncio.wait_for(connection.receive(), _PATIENCE)
    except Refused:
        raise Refused("another password") from None
    if sealed.get("kind") != "ready":
        raise Refused("a greeting that goes on with something else")
    return connection
