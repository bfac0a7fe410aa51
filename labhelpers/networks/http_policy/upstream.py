"""``Upstream``: the proxy's connection to the server, with the client's address."""

from __future__ import annotations

import asyncio

import h11

from labhelpers.linux import tproxy

__all__ = ["Upstream"]

_PATIENCE = 30.0  # seconds for the server to say or take something
_CONNECTING = 3.0
_PIECE = 1 << 16  # bytes


class Upstream:
    """One TCP connection, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._exchange = h11.Connection(h11.CLIENT)

    @classmethod
    async def connect(cls, client: str, server: tuple[str, int]) -> Upstream:
        """Connect to the server as the client.

        Raises:
            OSError, asyncio.TimeoutError: it does not take the connection.
        """
        made = tproxy.towards(client)
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, server), _CONNECTING)
            return cls(*await asyncio.open_connection(sock=made))
        except BaseException:
            made.close()
            raise

    @property
    def usable(self) -> bool:
        """Can another request be sent?  Not after one that did not end, nor if the server has closed."""
        done = self._exchange.our_state is h11.DONE and self._exchange.their_state is h11.DONE
        fresh = self._exchange.our_state is h11.IDLE
        clean = self._exchange.trailing_data == (b"", False)
        return (done or fresh) and clean and not self._reader.at_eof() and not self._writer.is_closing()

    async def send(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        """Send a part of the request."""
        if isinstance(event, h11.Request) and self._exchange.our_state is not h11.IDLE:
            self._exchange.start_next_cycle()
        data = self._exchange.send(event)
        if data:
            self._writer.write(data)
            await asyncio.wait_for(self._writer.drain(), _PATIENCE)

    async def next(self) -> h11.Response | h11.Data | h11.EndOfMessage:
        """The next part of the answer.

        Raises:
            OSError, asyncio.TimeoutError: nothing came.
            h11.RemoteProtocolError: it is no HTTP.
        """
        while True:
            event = self._exchange.next_event()
            if event is h11.NEED_DATA:
                self._exchange.receive_data(await asyncio.wait_for(self._reader.read(_PIECE), _PATIENCE))
            elif isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    raise h11.RemoteProtocolError("the server changes the protocol, and nobody asked it to")
            elif isinstance(event, (h11.Response, h11.Data, h11.EndOfMessage)):
                return event
            else:  # paused, or closed
                raise ConnectionResetError("the server has ended the conversation")

    def close(self) -> None:
        """End the connection."""
        self._writer.close()
