"""SPDY/3.1, the server's side, as much of it as exec, attach and port-forward of kubectl before 1.30 need.

kubectl ignores windows, so there is no flow control but TCP's own: reading stops while a stream's reader is behind.
Source: https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any

from labhelpers.cluster.api.types import DATA

__all__ = ["SpdyConnection", "SpdyStream"]

_SYN_STREAM, _SYN_REPLY, _RST_STREAM, _PING, _GOAWAY = 1, 2, 3, 6, 7
_FIN = 1
_CONTROL = 0x8003  # the control bit and version 3
_LARGEST_FRAME = 1 << 16
_MOST_WAITING = 1 << 20  # bytes that a reader may be behind before reading stops


class SpdyStream:
    """One stream of a connection: bytes in both directions, each of which ends by itself."""

    def __init__(self, connection: SpdyConnection, number: int, headers: dict[str, str]) -> None:
        self.headers = headers
        self._connection, self._number = connection, number
        self._waiting: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._ended = self._closed = False

    def feed(self, data: bytes) -> None:
        """Data has arrived."""
        if data and not self._ended:
            self._waiting.append(data)
            self._connection.waiting(len(data))
            self._arrived.set()

    def feed_end(self) -> None:
        """The other side sends no more."""
        self._ended = True
        self._arrived.set()

    async def read(self) -> bytes:
        """The next bytes, or none at the end."""
        while not self._waiting:
            if self._ended:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data = self._waiting.popleft()
        self._connection.waiting(-len(data))
        return data

    async def write(self, data: bytes) -> None:
        """Send bytes, and wait if the connection is full."""
        for start in range(0, len(data), _LARGEST_FRAME):
            part = data[start : start + _LARGEST_FRAME]
            self._connection.send(struct.pack(">II", self._number, len(part)) + part)
            await self._connection.drained()

    def close(self) -> None:
        """Send no more."""
        if not self._closed:
            self._closed = True
            self._connection.send(struct.pack(">II", self._number, _FIN << 24))


class SpdyConnection(asyncio.Protocol):
    """A connection that has been upgraded: a protocol for an asyncio transport.

    Args:
        on_stream: called with each stream that kubectl opens.
        send: how frames are sent, if not through a transport: SPDY inside a WebSocket.
    """

    def __init__(self, on_stream: Callable[[SpdyStream], None], send: Callable[[bytes], None] | None = None) -> None:
        self._on_stream, self._send = on_stream, send
        self._transport: Any = None
        self._buffer = bytearray()
        self._streams: dict[int, SpdyStream] = {}
        dictionary = (DATA / "spdy.dictionary").read_bytes()
        self._inflate = zlib.decompressobj(zdict=dictionary)
        self._deflate = zlib.compressobj(9, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, dictionary)
        self._room = asyncio.Event()
        self._room.set()
        self._behind = 0
        self._reading = True
        #: set when the connection has ended
        self.closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is upgraded."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended, well or not."""
        self.finish()

    def pause_writing(self) -> None:
        """The other side reads too slowly."""
        self._room.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._room.set()

    def eof_received(self) -> bool:
        """The other side sends no more; kubectl does so only at the end."""
        self.finish()
        return False

    def waiting(self, count: int) -> None:
        """So many bytes more wait for their reader (or less): read from the connection only while there are few."""
        self._behind += count
        reading = self._behind < _MOST_WAITING
        if self._transport is not None and reading is not self._reading and not self._transport.is_closing():
            self._reading = reading
            (self._transport.resume_reading if reading else self._transport.pause_reading)()

    async def drained(self) -> None:
        """Wait until there is room to send."""
        await self._room.wait()

    def send(self, frame: bytes) -> None:
        """Send one frame."""
        if self._send is not None:
            self._send(frame)
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame)

    def data_received(self, data: bytes) -> None:
        """Bytes have arrived: take the whole frames out of them."""
        self._buffer += data
        while len(self._buffer) >= 8:
            word, rest = struct.unpack_from(">II", self._buffer)
            flags, length = rest >> 24, rest & 0xFFFFFF
            if len(self._buffer) < 8 + length:
                return
            body = bytes(self._buffer[8 : 8 + length])
            del self._buffer[: 8 + length]
            try:
                if word >> 31:
                    self._control(word & 0xFFFF, flags, body)
                else:
                    self._data(word, flags, body)
            except (struct.error, zlib.error, UnicodeDecodeError):  # this is not SPDY
                self.abort()
                return

    def _data(self, number: int, flags: int, body: bytes) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.feed(body)
            if flags & _FIN:
                stream.feed_end()

    def _control(self, kind: int, flags: int, body: bytes) -> None:
        if kind == _SYN_STREAM:
            (number,) = struct.unpack_from(">I", body)
            if number in self._streams:  # whoever reads the first one would wait for ever
                self.abort()
                return
            stream = self._streams[number] = SpdyStream(self, number, self._read_headers(body[10:]))
            self._send_control(_SYN_REPLY, struct.pack(">I", number) + self._no_headers())
            if flags & _FIN:
                stream.feed_end()
            self._on_stream(stream)
        elif kind == _RST_STREAM:
            (number,) = struct.unpack_from(">I", body)
            if number in self._streams:
                self._streams.pop(number).feed_end()
        elif kind == _PING:
            self._send_control(_PING, body)
        elif kind == _GOAWAY:
            self.finish()

    def _read_headers(self, block: bytes) -> dict[str, str]:
        raw = self._inflate.decompress(block, _LARGEST_FRAME)
        (count,) = struct.unpack_from(">I", raw)
        at, texts = 4, []
        for _ in range(2 * count):
            (length,) = struct.unpack_from(">I", raw, at)
            texts.append(raw[at + 4 : at + 4 + length].decode())
            at += 4 + length
        return dict(zip((key.lower() for key in texts[::2]), texts[1::2], strict=True))

    def _no_headers(self) -> bytes:
        return self._deflate.compress(struct.pack(">I", 0)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)

    def _send_control(self, kind: int, body: bytes) -> None:
        self.send(struct.pack(">HHI", _CONTROL, kind, len(body)) + body)

    def finish(self) -> None:
        """Nothing comes any more: end every stream."""
        for stream in self._streams.values():
            stream.feed_end()
        self._room.set()  # who waits to send finds the transport closed
        self.closed.set()

    def abort(self) -> None:
        """End the connection from this side, whether the other one reads or not."""
        if self._transport is not None:
            self._transport.abort()
        self.finish()
