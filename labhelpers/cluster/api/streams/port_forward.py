"""port-forward: each connection that kubectl accepts becomes a pair of SPDY streams, and a connection in the pod."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from aiohttp import WSMsgType, web

from labhelpers.cluster.api.streams.spdy import SpdyConnection, SpdyStream
from labhelpers.cluster.api.streams.upgrade import Taken, take_over, wants_spdy, wants_websocket
from labhelpers.errors import LabError
from labhelpers.store import BadRequest

__all__ = ["serve_port_forward"]

Connect = Callable[[int], socket.socket]
_TUNNEL = "SPDY/3.1+portforward.k8s.io"
_CHUNK = 32 * 1024


async def serve_port_forward(request: web.Request, connect: Connect) -> web.StreamResponse:
    """Carry connections until the client goes.

    Args:
        connect: makes a connection to a port of the pod; blocks, and raises ``LabError``.
    """
    forwarder = _Forwarder(connect)
    try:
        if wants_websocket(request):
            return await _in_websocket(request, forwarder)
        if wants_spdy(request):
            connection = take_over(request, forwarder.add, ("portforward.k8s.io",))
            await connection.closed.wait()
            return Taken(request)
    finally:
        await forwarder.close()
    raise BadRequest("Upgrade request required", "Use kubectl port-forward.")


async def _in_websocket(request: web.Request, forwarder: _Forwarder) -> web.StreamResponse:
    """SPDY frames in WebSocket messages: kubectl from 1.31 on."""
    ws = web.WebSocketResponse(protocols=(_TUNNEL,))
    await ws.prepare(request)
    frames: asyncio.Queue[bytes] = asyncio.Queue()

    async def send() -> None:
        while True:
            await ws.send_bytes(await frames.get())
            if frames.empty():
                connection.resume_writing()

    def put(frame: bytes) -> None:
        frames.put_nowait(frame)
        if frames.qsize() > 16:
            connection.pause_writing()

    connection = SpdyConnection(forwarder.add, put)
    sender = asyncio.create_task(send())
    try:
        async for message in ws:
            if message.type != WSMsgType.BINARY:
                break
            connection.data_received(message.data)
    finally:
        connection.finish()
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
    return ws


class _Forwarder:
    """Pairs the streams of each request, and serves them."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._errors: dict[str, SpdyStream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, stream: SpdyStream) -> None:
        """A stream was opened: first the one for errors, then the one for data."""
        number = stream.headers.get("requestid", "")
        if stream.headers.get("streamtype") == "error":
            self._errors[number] = stream
        elif stream.headers.get("streamtype") == "data" and number in self._errors:
            task = asyncio.create_task(self._serve(stream, self._errors.pop(number)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, data: SpdyStream, error: SpdyStream) -> None:
        port = data.headers.get("port", "")
        try:
            loop = asyncio.get_running_loop()
            if not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:  # int() refuses thousands of digits
                raise BadRequest(f"{port!r} is no port", "Use 1 to 65535.")
            there = await loop.run_in_executor(None, self._connect, int(port))
            there.setblocking(False)
            reader, writer = await asyncio.open_connection(sock=there)
        except (LabError, OSError) as problem:
            what = problem.what if isinstance(problem, LabError) else str(problem)
            await error.write(f"error forwarding port {port} to pod: {what}".encode())
        else:
            await _join(data, reader, writer)
        error.close()
        data.close()

    async def close(self) -> None:
        """End what is still going on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _join(data: SpdyStream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async def to_pod() -> None:
        while received := await data.read():
            writer.write(received)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    sending = asyncio.create_task(to_pod())
    try:
        while received := await reader.read(_CHUNK):
            await data.write(received)
    except ConnectionError:
        pass
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
