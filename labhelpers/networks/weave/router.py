"""``Router``: the program's heart.  Connects with neighbours, gossips, and lets the switch know the ways."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from labhelpers.linux.frames import FramePort
from labhelpers.networks.weave import sleeve
from labhelpers.networks.weave.announcement import Announcement
from labhelpers.networks.weave.connection import Connection, Stream, greet
from labhelpers.networks.weave.fast import FastWay
from labhelpers.networks.weave.quota import Quota
from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.settings import FROM_BRIDGE, PORT, SETTINGS, Settings
from labhelpers.networks.weave.status import status
from labhelpers.networks.weave.switch import Switch
from labhelpers.networks.weave.topology import Topology

__all__ = ["Router"]

_SOON, _LATER = 0.1, 1.0  # seconds between signs of life: until a connection works, and then
_TO_BE_FAST = 3.0  # seconds
_CALL_AGAIN = (0.2, 3.0)  # seconds until a neighbour is called again: at first, and at most
_TO_CALL = 3.0  # seconds until a call is given up
_BETWEEN_CALLERS = 0.1  # seconds: who guesses passwords may do so ten times a second
_MOST_CALLERS = 16  # of whom each may take its time with the greeting
_GOSSIP = 10.0  # seconds until one neighbour after the other is told everything again
_BUSY = (socket.SO_SNDBUF, socket.SO_RCVBUF)
_WANTED_BUFFER = 1 << 22  # bytes; the system gives as much of it as it allows


class Router:
    """Opens all sockets.  ``serve`` does the rest.

    Raises:
        OSError: another router runs on this node, or the cable to the bridge is not there.
    """

    def __init__(self, settings: Settings, control: socket.socket) -> None:
        self.settings = settings
        self._control = control
        self._calls = socket.create_server((settings.address, PORT), backlog=_MOST_CALLERS)
        self._calls.setblocking(False)
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        datagrams.bind((settings.address, PORT))
        datagrams.setblocking(False)
        for kind in _BUSY:
            datagrams.setsockopt(socket.SOL_SOCKET, kind, _WANTED_BUFFER)
        me = Announcement(bytes.fromhex(settings.name.replace(":", "")), settings.nickname, secrets.randbits(48), 1)
        self.topology = Topology(me)
        self._datagrams, self._cable = datagrams, FramePort(FROM_BRIDGE)
        self.switch = Switch(me.name, self._cable, datagrams, PORT, time.monotonic)
        self.switch.on_heartbeat = self._heard
        self.connections: dict[bytes, Connection] = {}
        self.switch.connections = self.connections
        self.fast = FastWay(self) if settings.fast else None
        if self.fast:
            self.switch.on_learned = self.fast.renew_soon
        #: by address: why the last try to connect with a neighbour failed
        self.trouble: dict[str, str] = {}
        self._callers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Work until the cable to the bridge is removed, or somebody asks for the end."""
        loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        loop.add_reader(self._datagrams, self.switch.receive)
        loop.add_reader(self._cable, self.switch.capture)
        if self.fast:
            loop.add_reader(self.fast.port, self.fast.receive)
            loop.add_reader(self.fast.learned, self.fast.learn)
        self.switch.know(self.topology.graph)
        self._start(self._take_calls())
        self._start(self._gossip())
        await asyncio.start_unix_server(self._asked, sock=self._control)
        self._call_neighbours()
        while self._has_cable() and not self._ended.is_set():
            self._tick()
            now = time.monotonic()
            settled = all(self._is_settled(one, now) for one in self.connections.values())
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _LATER if settled else _SOON)

    def _is_settled(self, connection: Connection, now: float) -> bool:
        """Does it work as well as it will?  Where VXLAN does not get through soon, it is tried less often."""
        return connection.works(now) and (
            self.fast is None or connection.is_fast(now) or now - connection.since > _TO_BE_FAST
        )

    def _start(self, job: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    def _has_cable() -> bool:
        try:
            socket.if_nametoindex(FROM_BRIDGE)
        except OSError:
            return False
        return True

    # --- neighbours -------------------------------------------------------------------------------------------------

    def _call_neighbours(self) -> None:
        """Of two neighbours the one with the lower address calls the other, so that they do not call each other."""
        mine = socket.inet_aton(self.settings.address)
        wanted = {one for one in self.settings.neighbours if mine < socket.inet_aton(one)}
        for address in self._callers.keys() - wanted:
            self._callers.pop(address).cancel()
        for address in wanted - self._callers.keys():
            self._callers[address] = self._start(self._keep_calling(address))
        for connection in list(self.connections.values()):
            if connection.address not in self.settings.neighbours:
                connection.close()

    async def _keep_calling(self, address: str) -> None:
        pause, longest = _CALL_AGAIN
        while True:
            began = time.monotonic()
            try:
                calling = asyncio.open_connection(address, PORT, local_addr=(self.settings.address, 0))
                reader, writer = await asyncio.wait_for(calling, _TO_CALL)
            except (OSError, asyncio.TimeoutError) as error:
                self.trouble[address] = (getattr(error, "strerror", "") or "no answer").lower()
            else:
                if connection := await self._greeted(reader, writer, address, is_caller=True):
                    await self._until_it_ends(connection)
            if time.monotonic() - began > longest:
                pause = _CALL_AGAIN[0]
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    async def _take_calls(self) -> None:
        loop = asyncio.get_running_loop()
        free = asyncio.Semaphore(_MOST_CALLERS)
        while True:
            await free.acquire()
            try:
                caller, (address, _) = await loop.sock_accept(self._calls)
                if address not in self.settings.neighbours:
                    caller.close()
                    raise Refused("a call of a stranger")
                reader, writer = await asyncio.open_connection(sock=caller)
            except (OSError, Refused) as error:
                free.release()
                self.switch.refused[getattr(error, "reason", "a call that ended at once")] += 1
            else:
                self._start(self._answer(reader, writer, address, free))
            await asyncio.sleep(_BETWEEN_CALLERS)

    async def _answer(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, free: asyncio.Semaphore
    ) -> None:
        try:
            connection = await self._greeted(reader, writer, address, is_caller=False)
        finally:
            free.release()
        if connection:
            await self._until_it_ends(connection)

    async def _greeted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, *, is_caller: bool
    ) -> Connection | None:
        """The connection, if both ends want it; else the reason is noted."""
        connection, me = None, self.topology.me
        try:
            connection = await greet(Stream(reader, writer), me, self.settings.password, address, is_caller=is_caller)
            self.trouble.pop(address, None)
        except Refused as refusal:
            self._note(address, refusal)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError):
            self.trouble[address] = "no greeting"
        finally:
            if connection is None:
                writer.transport.abort()
        return connection

    def _note(self, address: str, refusal: Refused) -> None:
        self.trouble[address] = refusal.reason
        self.switch.refused[refusal.reason] += 1

    async def _until_it_ends(self, connection: Connection) -> None:
        try:
            await self._listen(connection)
        except Refused as refusal:
            self._note(connection.address, refusal)
        except (OSError, asyncio.IncompleteReadError):
            self.trouble[connection.address] = "it has hung up"
        finally:
            connection.close()
            if self.connections.get(connection.peer) is connection:
                del self.connections[connection.peer]
                self._changed()

    async def _listen(self, connection: Connection) -> None:
        if (old := self.connections.get(connection.peer)) is not None:  # it was started again, and the old end is gone
            old.close()
        self.connections[connection.peer] = connection
        connection.send(self._message(self.topology.everything()))
        self._tick()
        quota = Quota(time.monotonic)
        while True:
            message = await connection.receive()
            quota.take()
            if message.get("kind") != "topology" or not isinstance(message.get("peers"), list):
                raise Refused("a message of a kind that is none")
            self._learn([Announcement.read(one) for one in message["peers"]], connection)

    # --- gossip -----------------------------------------------------------------------------------------------------

    @staticmethod
    def _message(peers: list[Announcement]) -> dict[str, Any]:
        return {"kind": "topology", "peers": [one.written() for one in peers]}

    def _learn(self, news: list[Announcement], teller: Connection) -> None:
        before = self.topology.me
        new = self.topology.merge(news)
        if new:
            for connection in list(self.connections.values()):
                # who told us knows it, unless it is about us, and wrong
                if connection is not teller or self.topology.me is not before:
                    connection.send(self._message(new))
            self.switch.know(self.topology.graph)

    def _changed(self) -> None:
        """Our own connections may have changed: if so, tell all neighbours, who tell theirs."""
        now = time.monotonic()
        if self.topology.connected({name: one.works(now) for name, one in self.connections.items()}):
            for connection in list(self.connections.values()):
                connection.send(self._message([self.topology.me]))
            self.switch.know(self.topology.graph)
            if self.fast:
                self.fast.renew()

    async def _gossip(self) -> None:
        """Tell one neighbour after the other everything: a change may have crossed another one on its way."""
        turn = 0
        while True:
            await asyncio.sleep(_GOSSIP)
            if self.connections:
                turn += 1
                names = sorted(self.connections)
                self.connections[names[turn % len(names)]].send(self._message(self.topology.everything()))

    # --- signs of life ----------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        now = time.monotonic()
        for connection in list(self.connections.values()):
            self._show_life(connection)
        self._changed()
        for name in self.topology.forget_unreachable(now):
            self.switch.macs.forget_peer(name)
        self.switch.know(self.topology.graph)
        self.switch.macs.forget(now)
        if self.fast:
            self.fast.renew()

    def _show_life(self, connection: Connection) -> None:
        now = time.monotonic()
        flags = connection.hears(now) | connection.fast_hears(now) << 1
        self.switch.send(connection, bytes([flags]), sleeve.HEARTBEAT)
        if self.fast:
            self.fast.show_life(connection)

    def _heard(self, connection: Connection, frame: bytes) -> None:
        if len(frame) != 1:
            raise Refused("a sign of life that is none")
        was = connection.hears_us, connection.fast_hears_us
        connection.hears_us, connection.fast_hears_us = bool(frame[0] & 1), bool(frame[0] & 2)
        if was != (connection.hears_us, connection.fast_hears_us):
            self._show_life(connection)
            self._changed()
            if self.fast:
                self.fast.renew()

    # --- asked ------------------------------------------------------------------------------------------------------

    async def _asked(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, ValueError, asyncio.TimeoutError):
            word = (await asyncio.wait_for(reader.readline(), _TO_CALL)).decode(errors="replace").strip()
            writer.write(status(self, word).encode())
            await writer.drain()
        writer.close()

    def end(self) -> None:
        """End, when the answer to who asked for it is sent."""
        self._ended.set()

    def reload(self) -> None:
        """Read the settings again; only the neighbours may have changed.

        Raises:
            OSError, ValueError: they cannot be read; everything is as it was.
        """
        self.settings = Settings.read(Path(SETTINGS).read_text())
        self._call_neighbours()
