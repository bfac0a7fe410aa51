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

__all__ = ["Doorbell"]

_QUEUE = 64
_PATIENCE = 5.0  # seconds for a plugin to say what it wants


class Doorbell:
    """Listens on the node from when it is made until ``close``, in a thread of its own.

    Args:
        root: the node's file system.
        look: attaches what is new; it is called by the thread.

    Raises:
        OSError: the socket cannot be made.
    """

    def __init__(self, root: str, look: Callable[[], object]) -> None:
        self._place, self._look = f"{root}{AGENT}", look
        os.makedirs(os.path.dirname(self._place), mode=0o700, exist_ok=True)
        self._remove()  # that of an agent that was killed
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(self._place)
        self._server.listen(_QUEUE)
        self._thread = threading.Thread(target=self._serve, name="doorbell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        self._remove()
        self._server.shutdown(socket.SHUT_RDWR)  # wakes the thread
        self._thread.join()
        self._server.close()

    def _remove(self) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._place)

    def _serve(self) -> None:
        while True:
            try:
                caller, _ = self._server.accept()
            except OSError:  # closed
                return
            with caller, suppress(OSError):  # it hung up
                caller.settimeout(_PATIENCE)
                if caller.recv(64):
                    caller.sendall(self._answer())

    def _answer(self) -> bytes:
        try:
            self._look()
        except LabError as error:
            return str(error).encode()
        return DONE
