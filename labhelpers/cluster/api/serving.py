"""The API server as something that runs: an event loop in a thread of its own, a port on the sandbox's loopback."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable

from aiohttp import web

from labhelpers.cluster.api.certificate import Certificate
from labhelpers.cluster.api.pods import Nodes
from labhelpers.cluster.api.server import ApiServer
from labhelpers.store import MemoryStore

__all__ = ["ADDRESS", "Serving", "listen"]

ADDRESS = "127.0.0.1"
_PORT = 6443
_PATIENCE = 5.0  # seconds for connections to end


def listen(port: int = _PORT) -> socket.socket:
    """A listening socket on the loopback: Kubernetes' own port, or any free one where that is taken."""
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((ADDRESS, port))
    except OSError:
        server.bind((ADDRESS, 0))
    server.listen(128)
    return server


class Serving:
    """An API server that is running.

    Args:
        server: what it listens on, from ``listen``.
        certificate: none serves plain HTTP, for tests.
        door: another one, of Unix, for those who live in other network namespaces; without TLS.
    """

    def __init__(
        self,
        store: MemoryStore,
        nodes: Nodes,
        server: socket.socket,
        *,
        token: str = "",
        certificate: Certificate | None = None,
        door: socket.socket | None = None,
    ) -> None:
        self._door = door
        self._api = ApiServer(store, nodes, token=token)
        self._socket = server
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://{ADDRESS}:{server.getsockname()[1]}"
        self._context: ssl.SSLContext | None = None
        if certificate:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(certificate.certificate, certificate.key)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._problems: list[BaseException] = []
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started.set,), name="api-server", daemon=True)
        self._thread.start()
        started.wait()
        if self._problems:
            self._thread.join()
            server.close()
            raise self._problems[0]

    def _run(self, started: Callable[[], None]) -> None:
        try:
            self._loop.run_until_complete(self._serve(started))
        except BaseException as problem:
            self._problems.append(problem)
        finally:
            self._loop.close()
            started()

    async def _serve(self, started: Callable[[], None]) -> None:
        # a client that goes away ends its handler, and with it what it started in a container
        runner = web.AppRunner(
            self._api.application(), access_log=None, handler_cancellation=True, shutdown_timeout=_PATIENCE
        )
        await runner.setup()
        site = web.SockSite(runner, self._socket, ssl_context=self._context)
        await site.start()
        if self._door is not None:
            await web.SockSite(runner, self._door).start()
        started()
        await self._stop.wait()
        await runner.cleanup()

    def close(self) -> None:
        """Close the port and every connection."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._socket.close()
        if self._door is not None:
            self._door.close()
