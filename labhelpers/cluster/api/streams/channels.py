"""The channels of exec and attach, whatever carries them: stdin, stdout, stderr, the exit status, the window's size."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Protocol

from aiohttp import WSMsgType, web

from labhelpers.cluster.api.streams.spdy import SpdyConnection, SpdyStream
from labhelpers.cluster.api.streams.upgrade import Taken, take_over
from labhelpers.store import BadRequest, Object

__all__ = ["STDERR", "STDIN", "STDOUT", "Channels", "SpdyChannels", "WebSocketChannels"]

STDIN, STDOUT, STDERR, _ERROR, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": _ERROR, "resize": _RESIZE}
_MOST_CELLS = 65535  # a terminal keeps its columns and its rows in 16 bits each
_PATIENCE = 10.0  # seconds for kubectl to open its streams, and to close the connection after the status


class Channels(Protocol):
    """Both ends of exec: what the client sends, and what it is told."""

    def stdin(self) -> AsyncIterator[bytes]:
        """What the client types, until it ends it or goes."""

    def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """Columns and rows of the client's window, each time it changes."""

    async def send(self, channel: int, data: bytes) -> None:
        """Output of the program."""

    async def finish(self, status: Object) -> web.StreamResponse:
        """Tell how it ended, and close.  Returns what the handler returns."""

    async def close(self) -> None:
        """End it without a word, if it has not been finished."""

    @property
    def gone(self) -> asyncio.Event:
        """Set when the client has gone."""


def _size(data: bytes) -> tuple[int, int] | None:
    """Columns and rows, if that is what was sent, and as many as a terminal can have."""
    try:
        asked = json.loads(data)
        columns, rows = int(asked["Width"]), int(asked["Height"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):  # infinity, or brackets without end
        return None
    return (columns, rows) if max(columns, rows) <= _MOST_CELLS and min(columns, rows) >= 0 else None


class WebSocketChannels:
    """Channels in WebSocket messages, whose first byte is the channel's number: kubectl from 1.30 on."""

    def __init__(self) -> None:
        self._socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"))
        self._stdin: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=16)
        self._sizes: asyncio.Queue[tuple[int, int] | None] = asyncio.Queue()
        self._reader: asyncio.Task[None] | None = None
        #: nobody reads what is typed any more
        self._deaf = False
        self.gone = asyncio.Event()

    @classmethod
    async def open(cls, request: web.Request) -> WebSocketChannels:
        """Upgrade the request."""
        self = cls()
        await self._socket.prepare(request)
        self._reader = asyncio.create_task(self._read())
        return self

    async def _read(self) -> None:
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                break
            data: bytes = message.data if isinstance(message.data, bytes) else message.data.encode()
            if data[:1] == bytes([STDIN]) and len(data) > 1:
                await self._type(data[1:])
            elif data[:1] == bytes([_RESIZE]) and (size := _size(data[1:])):
                self._sizes.put_nowait(size)
            elif data == bytes([_CLOSE, STDIN]):
                await self._type(None)
        self.gone.set()
        self._sizes.put_nowait(None)
        await self._type(None)

    async def _type(self, data: bytes | None) -> None:
        if not self._deaf:
            await self._stdin.put(data)

    async def stdin(self) -> AsyncIterator[bytes]:
        """See ``Channels``."""
        try:
            while (data := await self._stdin.get()) is not None:
                yield data
        finally:  # what still comes is thrown away: behind it may be the end of the connection
            self._deaf = True
            while not self._stdin.empty():
                self._stdin.get_nowait()

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """See ``Channels``."""
        while (size := await self._sizes.get()) is not None:
            yield size

    async def send(self, channel: int, data: bytes) -> None:
        """See ``Channels``."""
        await self._socket.send_bytes(bytes([channel]) + data)

    async def finish(self, status: Object) -> web.StreamResponse:
        """See ``Channels``."""
        try:
            await self.send(_ERROR, json.dumps(status).encode())
            await self._socket.close()
        except ConnectionError:
            pass
        return self._socket

    async def close(self) -> None:
        """See ``Channels``."""
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)


class SpdyChannels:
    """Each channel a SPDY stream of its own: every kubectl before 1.30, and later ones whose WebSocket is refused."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._streams: dict[int, SpdyStream] = {}
        self._opened = asyncio.Event()
        self._connection: SpdyConnection = take_over(request, self._add, ("v4.channel.k8s.io",))
        self.gone = self._connection.closed

    @classmethod
    async def open(cls, request: web.Request, wanted: set[str]) -> SpdyChannels:
        """Upgrade the request, and wait for the streams that it announced."""
        self = cls(request)
        needed = {_NAMES[one] for one in wanted} | {_ERROR}

        async def all_there() -> None:
            while not needed <= self._streams.keys() and not self.gone.is_set():
                self._opened.clear()
                await self._opened.wait()

        try:
            await asyncio.wait_for(all_there(), _PATIENCE)
        except asyncio.TimeoutError:
            self._connection.abort()
            raise BadRequest("timed out waiting for client to create streams", "Try it again.") from None
        return self

    def _add(self, stream: SpdyStream) -> None:
        number = _NAMES.get(stream.headers.get("streamtype", ""))
        if number is not None:
            self._streams[number] = stream
        self._opened.set()

    async def stdin(self) -> AsyncIterator[bytes]:
        """See ``Channels``."""
        if stream := self._streams.get(STDIN):
            while data := await stream.read():
                yield data

    async def sizes(self) -> AsyncIterator[tuple[int, int]]:
        """See ``Channels``."""
        while _RESIZE not in self._streams:  # it comes when it comes
            if self.gone.is_set():
                return
            self._opened.clear()
            await self._opened.wait()
        while data := await self._streams[_RESIZE].read():
            for line in data.splitlines():
                if size := _size(line):
                    yield size

    async def send(self, channel: int, data: bytes) -> None:
        """See ``Channels``."""
        if self.gone.is_set():
            raise ConnectionResetError("the client has gone")
        if stream := self._streams.get(channel):
            await stream.write(data)

    async def finish(self, status: Object) -> web.StreamResponse:
        """See ``Channels``."""
        if error := self._streams.get(_ERROR):
            await error.write(json.dumps(status).encode())
        for stream in self._streams.values():
            stream.close()
        try:
            await asyncio.wait_for(self.gone.wait(), _PATIENCE)
        except asyncio.TimeoutError:
            pass
        return Taken(self._request)

    async def close(self) -> None:
        """See ``Channels``."""
        self._connection.abort()
