"""exec and attach: a session in a container joined with the channels of a client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from labhelpers.cluster.api.streams.channels import STDERR, STDOUT, Channels, SpdyChannels, WebSocketChannels
from labhelpers.cluster.api.streams.descriptors import chunks, write_all
from labhelpers.cluster.api.streams.upgrade import wants_spdy, wants_websocket
from labhelpers.cluster.node_api import Session
from labhelpers.errors import LabError
from labhelpers.store import BadRequest, Object

__all__ = ["failure", "open_channels", "serve"]


async def open_channels(request: web.Request, wanted: set[str]) -> Channels:
    """Upgrade the request to what the client speaks.

    Args:
        wanted: of stdin, stdout and stderr.

    Raises:
        BadRequest: it asked for no upgrade.
    """
    if wants_websocket(request):
        return await WebSocketChannels.open(request)
    if wants_spdy(request):
        return await SpdyChannels.open(request, wanted)
    raise BadRequest("Upgrade request required", "Use kubectl exec.")


def failure(message: str) -> Object:
    """The status of a program that could not be started."""
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
            "message": f"Internal error occurred: {message}",
            "details": {"causes": [{"message": message}]}}  # fmt: skip


def _status(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


async def serve(session: Session, channels: Channels) -> web.StreamResponse:
    """Carry bytes until the program has ended and all it wrote is sent, or the client has gone."""
    program = asyncio.create_task(_whole(session, channels))
    gone = asyncio.create_task(channels.gone.wait())
    inputs = [asyncio.create_task(_input(session, channels)), asyncio.create_task(_sizes(session, channels.sizes()))]
    try:
        await asyncio.wait({program, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not program.done():
            return await channels.finish(failure("the client has gone"))
        try:
            return await channels.finish(_status(program.result()))
        except LabError as error:  # the session was lost, with its container or node
            return await channels.finish(failure(error.what))
        except ConnectionError:
            return await channels.finish(failure("the client has gone"))
    finally:
        for task in (*inputs, program, gone):
            task.cancel()
        await asyncio.gather(*inputs, program, gone, return_exceptions=True)
        await channels.close()
        session.close()


async def _whole(session: Session, channels: Channels) -> int:
    """Send all the program writes.  Returns its exit status."""
    await asyncio.gather(_output(session.stdout, STDOUT, channels), _output(session.stderr, STDERR, channels))
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    # not asyncio.wrap_future: cancelling that would cancel what is the kubelet's
    session.exit.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
    await ended.wait()
    return session.exit.result()


async def _output(descriptor: int, channel: int, channels: Channels) -> None:
    if descriptor < 0:
        return
    async for data in chunks(descriptor):
        await channels.send(channel, data)


async def _input(session: Session, channels: Channels) -> None:
    async for data in channels.stdin():
        if session.stdin >= 0 and not await write_all(session.stdin, data):
            break
    if session.stdin >= 0:
        session.close_stdin()


async def _sizes(session: Session, sizes: AsyncIterator[tuple[int, int]]) -> None:
    async for columns, rows in sizes:
        session.resize(columns, rows)
