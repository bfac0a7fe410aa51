"""The kernel's five TCP ports, opened where the front end is and used inside the sandbox."""

from __future__ import annotations

import errno
import socket
import sys
import time
from typing import Any

__all__ = ["hand_to_zmq", "open_ports", "socket_files"]

_NAMES = ("shell", "iopub", "stdin", "control", "hb")
_PATIENCE = 10.0  # seconds; a kernel just killed may still hold its ports while the system frees its memory


def open_ports(connection: dict[str, Any]) -> dict[str, int]:
    """Listen on the ports of a connection file.

    Returns:
        file descriptors by port number.  Empty for the transport ``ipc``: its sockets are files, which need no help.
    """
    if connection.get("transport", "tcp") != "tcp":
        return {}
    ports = []
    for name in _NAMES:
        port = connection.get(f"{name}_port")
        if not (isinstance(port, int) and 0 < port < 1 << 16):
            sys.exit(f"The connection file has no usable {name}_port, but {port!r}. Start the kernel from a front end.")
        ports.append(port)
    return {str(port): _listen(str(connection.get("ip")), port) for port in ports}


def socket_files(connection: dict[str, Any]) -> list[str]:
    """The files that are the sockets of the transport ``ipc``."""
    if connection.get("transport") != "ipc":
        return []
    return [f"{connection.get('ip')}-{connection.get(f'{name}_port')}" for name in _NAMES]


def _listen(ip: str, port: int) -> int:
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            server = socket.create_server((ip, port), backlog=128)
            server.setblocking(False)
            return server.detach()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > end:
                sys.exit(f"The port {port} of the kernel cannot be opened: {error.strerror}. Restart it.")
            time.sleep(0.05)


def hand_to_zmq(fds: dict[str, int]) -> None:
    """Make every later ``bind`` to one of these ports use the socket that listens already (ZMQ_USE_FD).

    The heartbeat binds in a class, thread and context of its own, so the hook is where all of them pass.
    """
    import zmq

    bind = zmq.Socket.bind

    def bind_to_fd(self: Any, address: str) -> Any:
        fd = fds.pop(address.rpartition(":")[2], None)
        if fd is None:
            return bind(self, address)
        self.setsockopt(zmq.USE_FD, fd)
        result = bind(self, address)
        if self.type == zmq.ROUTER:  # ipykernel's debugger connects to the last endpoint: one it can reach from here
            bind(self, f"inproc://fd{fd}")
        return result

    zmq.Socket.bind = bind_to_fd  # type: ignore[method-assign,assignment]
