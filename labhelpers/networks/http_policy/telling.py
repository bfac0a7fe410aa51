"""``Telling``: a socket file on a node, whose listeners are told of every request, one JSON object a line.

Nothing is kept for those who come later, and nothing is written to a disk.  A listener that reads too slowly misses
lines, and is told how many.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Telling"]

_MOST_WAITING = 1 << 20  # bytes for one listener


class Telling:
    """The listeners of one socket file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        #: each with how many lines it has missed since the last one it got
        self._listeners: dict[asyncio.StreamWriter, int] = {}

    async def open(self) -> None:
        """Make the file, in place of one that an earlier process left."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._listener, str(self._path))
        os.chmod(self._path, 0o666)

    async def _listener(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._listeners[writer] = 0
        try:
            await reader.read()  # until it goes; it has nothing to say
        except ConnectionError:
            pass
        finally:
            self._listeners.pop(writer, None)
            writer.close()

    def tell(self, flow: Mapping[str, Any]) -> None:
        """Tell everybody who listens now."""
        for writer, missed in list(self._listeners.items()):
            if writer.is_closing():
                continue
            if writer.transport.get_write_buffer_size() > _MOST_WAITING:
                self._listeners[writer] += 1
                continue
            writer.write(json.dumps({**flow, "missed": missed}).encode() + b"\n")
            self._listeners[writer] = 0
