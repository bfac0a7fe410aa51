"""How many TCP connections can be opened one after the other, from a namespace to another."""

from __future__ import annotations

import socket
import struct
import time

from labhelpers.errors import TimedOut
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import NetworkNamespace

__all__ = ["connection_times"]

_NO_WAIT = struct.pack("ii", 1, 0)  # closed by RST: no TIME_WAIT fills the ports


def connection_times(
    source: NetworkNamespace,
    target: NetworkNamespace,
    address: str,
    *,
    port: int = 8767,
    count: int = 0,
    seconds: float = 1.0,
    timeout: float = 5.0,
) -> list[float]:
    """Open TCP connections one after the other, each closed before the next, and say how long each took to open.

    Args:
        address: the target's, IPv4.
        count: how many; 0: as many as there is time for.
        seconds: of time, where no count is given.
        timeout: seconds for one connection.

    Returns:
        seconds, for each connection.

    Raises:
        TimedOut: one was not opened.

    Shell: none so quick; ``nc -z ADDRESS PORT`` opens one.
    """
    require_sandbox()
    times: list[float] = []
    with target.visit(lambda: socket.create_server((address, port))) as server:
        end = time.perf_counter() + seconds
        while len(times) < count if count else time.perf_counter() < end:
            with source.visit(socket.socket) as client:
                client.settimeout(timeout)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_WAIT)
                start = time.perf_counter()
                try:
                    client.connect((address, port))
                except OSError as error:
                    raise TimedOut(
                        f"No connection from {source.name} to {address}: {error}.", "Does the network carry? Try ping."
                    ) from None
                times.append(time.perf_counter() - start)
                server.accept()[0].close()
    return times
