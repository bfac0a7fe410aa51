"""Messages of the TCP connection between two peers: a length of four bytes, then JSON, sealed after the greeting."""

from __future__ import annotations

import asyncio
import json
import struct
from typing import Any

from labhelpers.networks.weave.refused import Refused

__all__ = ["LONGEST", "decoded", "encoded", "framed", "receive"]

#: bytes of one message; a longer one ends the connection
LONGEST = 1 << 18
_LENGTH = struct.Struct("!I")


def encoded(content: dict[str, Any]) -> bytes:
    """A message as bytes, not sealed yet."""
    return json.dumps(content, separators=(",", ":")).encode()


def decoded(message: bytes) -> dict[str, Any]:
    """What a message says.

    Raises:
        Refused: it is no JSON, or no object.
    """
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        raise Refused("a message that is no JSON") from None
    if not isinstance(content, dict):
        raise Refused("a message that is no object")
    return content


def framed(message: bytes) -> bytes:
    """With its length before it, ready to be sent."""
    return _LENGTH.pack(len(message)) + message


async def receive(stream: asyncio.StreamReader) -> bytes:
    """The next message.

    Raises:
        Refused: it is too long.
        asyncio.IncompleteReadError, OSError: the connection has ended.
    """
    (length,) = _LENGTH.unpack(await stream.readexactly(_LENGTH.size))
    if length > LONGEST:
        raise Refused("a message that is too long")
    return await stream.readexactly(length)
