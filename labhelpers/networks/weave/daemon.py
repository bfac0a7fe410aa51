"""A node's router: started, told of neighbours, stopped.  Whom it was told of is in its settings, and nowhere else."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from labhelpers.errors import LabError
from labhelpers.lab import Node
from labhelpers.linux import process
from labhelpers.networks import own_run
from labhelpers.networks.weave.control import ask
from labhelpers.networks.weave.settings import FOLDER, ROUTER, SETTINGS, SOCKET, Settings

__all__ = ["is_running", "settings_of", "start", "stop", "tell"]

_PROGRAM = "labhelpers.networks.weave"
_PATIENCE = 2.0  # seconds; it ends in milliseconds


def is_running(node: Node) -> bool:
    """Does a router listen on the node?  Changes nothing.

    An agent cannot see the node's processes, but their sockets.
    """
    with socket.socket(socket.AF_UNIX) as talk:
        try:
            talk.connect(str(own_run.here(node, SOCKET)))
        except OSError:
            return False
    return True


def settings_of(node: Node) -> Settings | None:
    """What the node's router was told, whether it lives or not.  Changes nothing."""
    try:
        return Settings.read(own_run.here(node, SETTINGS).read_text())
    except (OSError, ValueError):
        return None


def start(node: Node, settings: Settings) -> None:
    """Write the settings and start the router.

    Raises:
        LabError: it does not start; its cable to the bridge is missing, or its port is taken.

    Shell: ``python -m labhelpers.networks.weave`` on the node.
    """
    own_run.write(node, SETTINGS, settings.written())
    done = node.run([sys.executable, "-I", "-m", _PROGRAM])
    if not done.ok:
        raise LabError(f"Weave's router on {node.name}: {done.stderr.strip()}.", "Look at `ip link` on the node.")
    own_run.note(node, f"python -m {_PROGRAM}")


def tell(node: Node, neighbours: Iterable[str]) -> None:
    """Tell a router to be connected with exactly these nodes.  Connections that it has already go on.

    Raises:
        NotFound, TimedOut: it does not answer; its settings say already whom it is to know.

    Shell: ``python -m labhelpers.networks.weave.ask reload`` on the node.
    """
    settings = settings_of(node)
    assert settings is not None
    wanted = sorted(neighbours)
    if wanted != sorted(settings.neighbours):
        own_run.write(node, SETTINGS, replace(settings, neighbours=wanted).written())
        ask(node, "reload")
        own_run.note(node, "python -m labhelpers.networks.weave.ask reload")


def stop(node: Node) -> None:
    """End a node's router, and remove its files.  Shell: ``python -m labhelpers.networks.weave.ask end``."""
    if is_running(node):
        with suppress(LabError):  # one that does not answer is killed
            ask(node, "end")
            end = time.monotonic() + _PATIENCE
            while is_running(node) and time.monotonic() < end:
                time.sleep(0.01)
        own_run.note(node, "python -m labhelpers.networks.weave.ask end")
    process.end(process.find(node.inode, ROUTER))
    own_run.remove(node, FOLDER)
