"""How an agent reaches the API server: the sandbox's loopback is not a node's, so there is a socket that both see."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from labhelpers.lab import Node
from labhelpers.linux.container.node_folders import show
from labhelpers.linux.inside import MARKER

__all__ = ["FOLDER", "SOCKET", "TOKEN", "listen", "open_for"]

#: in the sandbox and, when it was opened, on the node
FOLDER = "/run/pod-networking/api"
SOCKET, TOKEN = f"{FOLDER}/socket", f"{FOLDER}/token"


def listen(token: str) -> socket.socket:
    """Make the socket, and write down what it must be told, for those who may read it: root of this sandbox."""
    os.makedirs(FOLDER, exist_ok=True)
    with suppress(FileNotFoundError):
        os.unlink(SOCKET)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(SOCKET)
    server.listen(128)
    file = Path(TOKEN)
    file.touch(mode=0o600)
    file.write_text(f"{token}\n")
    return server


def open_for(node: Node) -> None:
    """Show the folder with the socket on the node, and let programs there know that the node is of this sandbox.

    Raises:
        OSError.
    """
    show(node.pid, FOLDER, FOLDER)
    Path(f"{node.root}{MARKER}").write_text(f"{node.inode}\n")
