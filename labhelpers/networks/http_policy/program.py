"""The proxy as a program on a node.  It stands for Envoy, which Cilium starts for rules about HTTP.

It is started on the node, returns when it serves, and goes on in the background: one process that holds the listening
socket, and another that speaks and is started anew whenever it ends.  HTTP/1.0 and 1.1 only: TLS and HTTP/2, which
gRPC is, are what Envoy adds; Kafka was, in Cilium up to 1.19.

usage: python -m labhelpers.networks.http_policy.program NAME PORT RULES-AS-JSON
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from labhelpers.errors import LabError
from labhelpers.linux import libc, tproxy
from labhelpers.linux.told import FOLDER
from labhelpers.networks.http_policy.conversation import Conversation
from labhelpers.networks.http_policy.rules import HttpRule, read_rules
from labhelpers.networks.http_policy.telling import Telling

__all__ = ["main"]

_MOST = 1000  # connections at a time
_PAUSE = 0.1  # seconds before it is started anew


async def _serve(name: str, listening: socket.socket, rules: tuple[HttpRule, ...], ready: int) -> None:
    telling = Telling(Path(FOLDER, f"{name}.sock"))
    await telling.open()
    places = asyncio.Semaphore(_MOST)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with places:
            await Conversation(reader, writer, rules, telling.tell).serve()

    server = await asyncio.start_server(client, sock=listening)
    if ready >= 0:
        os.write(ready, b".")
        os.close(ready)
    await server.serve_forever()


def _watched(name: str, listening: socket.socket, rules: tuple[HttpRule, ...], ready: int) -> None:
    """Start the process that speaks, and start it anew whenever it ends."""
    while True:
        child = os.fork()
        if not child:
            libc.die_with_parent(signal.SIGKILL)
            try:
                asyncio.run(_serve(name, listening, rules, ready))
            finally:
                os._exit(1)
        if ready >= 0:
            os.close(ready)
            ready = -1
        os.waitpid(child, 0)
        time.sleep(_PAUSE)


def main(arguments: list[str]) -> None:
    """Open the listening socket, go into the background, and say which process it is when connections are served."""
    try:
        name, port, rules = arguments[0], int(arguments[1]), read_rules(json.loads(arguments[2]))
    except (IndexError, ValueError, LabError) as error:
        sys.exit(f"{error}\nusage: {__doc__.rpartition('usage: ')[2].strip()}")
    try:
        listening = tproxy.listening(port)
    except OSError as error:
        sys.exit(f"port {port}: {(error.strerror or str(error)).lower()}")
    served, ready = os.pipe()
    child = os.fork()
    if child:
        os.close(ready)
        if not os.read(served, 1):
            os._exit(1)
        print(child, flush=True)
        os._exit(0)
    os.close(served)
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    _watched(name, listening, rules, ready)


if __name__ == "__main__":
    main(sys.argv[1:])
