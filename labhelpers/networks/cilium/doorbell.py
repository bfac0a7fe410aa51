"""How the plugin tells the agent of a pod: by a socket on the node, as in the product.

A pod that is attached must be an endpoint before anything in it runs.  So the plugin rings, and waits for the answer,
which comes when the datapath knows the pod.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from labhelpers.cni.plugin.cilium import AGENT, DONE
from labhelpers.errors import LabError

__all__ = ["answer_rings"]

_QUEUE = 64
_PATIENCE = 5.0  # seconds for a plugin to say what it wants


def answer_rings(root: str, look: Callable[[], object]) -> None:
    """Listen from now on, in a thread that lives as long as the process.

    Args:
        root: the node's file system.
        look: attaches what is new; it is called by the thread.

    Raises:
        OSError: the socket cannot be made.
    """
    place = f"{root}{AGENT}"
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    with suppress(FileNotFoundError):  # of an agent that was killed
        os.unlink(place)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(place)
    server.listen(_QUEUE)
    threading.Thread(target=_serve, args=(server, look), name="doorbell", daemon=True).start()


def _serve(server: socket.socket, look: Callable[[], object]) -> None:
    while True:
        caller, _ = server.accept()
        with caller, suppress(OSError):  # it hung up
            caller.settimeout(_PATIENCE)
            if caller.recv(64):
                try:
                    look()
                except LabError as error:
                    caller.sendall(str(error).encode())
                else:
                    caller.sendall(DONE)
