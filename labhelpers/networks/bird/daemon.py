"""A node's BIRD: started, told of peers, stopped.

Whom it was told of is in its own configuration, and nowhere else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from labhelpers.errors import LabError, NotFound, TimedOut
from labhelpers.lab import Node
from labhelpers.linux import process, route
from labhelpers.networks import own_run
from labhelpers.networks.bird.configuration import Configuration
from labhelpers.networks.bird.control import LOG, SOCKET, ask

__all__ = ["configure", "drop_routes", "is_running", "peers", "start", "stop"]

_FOLDER = "/run/bird"
_MAIN, _MESH, _PID = (f"{_FOLDER}/{name}" for name in ("bird.cfg", "mesh.cfg", "bird.pid"))
_PATIENCE = 2.0  # seconds; it ends in milliseconds


def start(node: Node, configuration: Configuration, peers: Iterable[str] = ()) -> None:
    """Write the configuration of a node's BIRD, have it checked, and start it.

    With graceful restart, the routes that an earlier one has left stay until the peers have told theirs again.

    Args:
        peers: addresses of the other nodes.

    Raises:
        ToolMissing: BIRD is not installed; nothing was done.
        LabError: BIRD does not take the configuration, or does not start.

    Shell: ``bird -p -c /run/bird/bird.cfg``, then the same without ``-p``.
    """
    process.arguments(["bird"])
    own_run.write(node, _MESH, configuration.mesh(node.address, peers))
    own_run.write(node, _MAIN, configuration.main(node.address, node.pod_cidr, _MESH, LOG))
    own_run.run(node, f"bird -p -c {_MAIN}")
    # without -R it takes routes away at once that it has not heard of yet; on a fresh node there is nothing to keep,
    # and with -R new routes would wait for a peer that never comes
    recover = " -R" if configuration.graceful_restart and _routes(node) else ""
    own_run.run(node, f"bird -c {_MAIN} -s {SOCKET} -P {_PID}{recover}")
    ask(node, "show status")


def is_running(node: Node) -> bool:
    """Does the node's BIRD answer?  Changes nothing."""
    try:
        ask(node, "show status")
    except (NotFound, TimedOut):
        return False
    return True


def peers(node: Node) -> set[str]:
    """The addresses that the node's BIRD has been told of, whether it lives or not.  Changes nothing."""
    try:
        text = own_run.here(node, _MESH).read_text()
    except OSError:
        return set()
    return set(re.findall(r"^  neighbor (\S+) as ", text, re.MULTILINE))


def configure(node: Node, configuration: Configuration, peers: Iterable[str]) -> None:
    """Tell a running BIRD of exactly these peers.  Sessions with those it knows already go on.

    Raises:
        NotFound, TimedOut: it does not answer; its files say already what it is to know.

    Shell: ``birdc configure``.
    """
    own_run.write(node, _MESH, configuration.mesh(node.address, peers))
    ask(node, "configure")
    own_run.note(node, "birdc configure")


def stop(node: Node) -> None:
    """End a node's BIRD, which takes its routes with it, and remove its files.  One that has died has left both.

    Shell: ``birdc down``.
    """
    if process.find(node.inode, "bird"):
        with suppress(LabError):  # one that does not answer is killed
            ask(node, "down")
            _wait(lambda: not process.find(node.inode, "bird"))
        process.end(process.find(node.inode, "bird"))
    own_run.note(node, "birdc down")
    drop_routes(node)
    own_run.remove(node, _FOLDER)


def drop_routes(node: Node, blocks: Iterable[str] | None = None) -> None:
    """Remove the routes that BIRD made and has not taken away: it does so a moment later, or has died.

    Args:
        blocks: those to these blocks only.

    Shell: ``ip route delete BLOCK proto bird``, where BIRD has died.
    """
    wanted = None if blocks is None else set(blocks)

    def left() -> set[str]:
        routes = _routes(node)
        return routes if wanted is None else routes & wanted

    if process.find(node.inode, "bird"):
        _wait(lambda: not left())
    with node._kernel.changes() as changes:  # not in the journal: in a script BIRD lives
        for block in left():
            route.delete(changes, block, protocol="bird")


def _routes(node: Node) -> set[str]:
    """The destinations of what BIRD put into the kernel's table."""
    return {one.destination for one in node.routes().where(protocol="bird", table="main")}


def _wait(done: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not done() and time.monotonic() < end:
        time.sleep(0.01)
