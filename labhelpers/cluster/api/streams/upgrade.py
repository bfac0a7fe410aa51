"""From HTTP to SPDY: the connection of a request is taken over."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from labhelpers.cluster.api.streams.spdy import SpdyConnection, SpdyStream
from labhelpers.store import BadRequest

__all__ = ["Taken", "take_over", "wants_spdy", "wants_websocket"]


def wants_websocket(request: web.Request) -> bool:
    """Does the client ask for a WebSocket?"""
    return request.headers.get("Upgrade", "").lower() == "websocket"


def wants_spdy(request: web.Request) -> bool:
    """Does the client ask for SPDY?"""
    return request.headers.get("Upgrade", "").lower() == "spdy/3.1"


def take_over(
    request: web.Request, on_stream: Callable[[SpdyStream], None], protocols: tuple[str, ...]
) -> SpdyConnection:
    """Answer ``101 Switching Protocols`` and speak SPDY on the request's connection from now on.

    Args:
        protocols: what is spoken inside, the best first.

    Raises:
        BadRequest: the client speaks none of them.
    """
    offered = [
        one.strip() for header in request.headers.getall("X-Stream-Protocol-Version", []) for one in header.split(",")
    ]
    chosen = next((one for one in protocols if one in offered), None)
    if chosen is None:
        raise BadRequest(
            f"unable to upgrade: unable to negotiate protocol: client supports {offered}", "Update kubectl."
        )
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    connection = SpdyConnection(on_stream)
    connection.connection_made(transport)
    lines = [
        "HTTP/1.1 101 Switching Protocols", "Connection: Upgrade", "Upgrade: SPDY/3.1",
        f"X-Stream-Protocol-Version: {chosen}", "", "",
    ]  # fmt: skip
    transport.write("\r\n".join(lines).encode())
    transport.set_protocol(connection)
    return connection


class Taken(web.StreamResponse):
    """What a handler returns when the connection is no longer HTTP: nothing is written, and it is closed."""

    def __init__(self, request: web.Request) -> None:
        super().__init__(status=101)
        self._connection_of = request

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write no headers."""
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Close the connection instead of ending a body."""
        if self._connection_of.transport is not None:
            self._connection_of.transport.close()
        self._connection_of.protocol.force_close()
