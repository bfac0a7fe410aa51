"""File descriptors in an event loop: read until the end, write all, wait for room."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

__all__ = ["chunks", "write_all"]

_CHUNK = 32 * 1024


async def chunks(descriptor: int) -> AsyncIterator[bytes]:
    """What comes out of a file descriptor, until its end.  The descriptor stays open."""
    os.set_blocking(descriptor, False)
    while True:
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            await _ready(descriptor, writing=False)
            continue
        except OSError:  # a terminal whose program has ended says EIO
            return
        if not data:
            return
        yield data


async def write_all(descriptor: int, data: bytes) -> bool:
    """Write all of it, however slowly it is read.  Says whether somebody still reads."""
    os.set_blocking(descriptor, False)
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            await _ready(descriptor, writing=True)
        except OSError:
            return False
    return True


async def _ready(descriptor: int, *, writing: bool) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if writing else loop.add_reader)(descriptor, wake)
    try:
        await ready
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(descriptor)
