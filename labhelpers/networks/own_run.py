"""Daemons on a node: their files in the node's own /run, and how a script does the same.

A node's /run is its own, so the daemons of all nodes have the same, usual paths.  In a script of the journal the nodes
share one /run: there each has a folder below it, which every command sees as /run.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from labhelpers.errors import LabError, Vanished
from labhelpers.lab import Node
from labhelpers.lab.journal import journal
from labhelpers.linux.process import Completed
from labhelpers.linux.spelling import quoted

__all__ = ["folder", "here", "note", "remove", "run", "write"]

#: wireguard-go draws a frame around an advice about something else
_FRAME = re.compile(r"^[\u2500-\u257f].*\n?", re.MULTILINE)
_PATIENCE = 10.0  # seconds for a daemon to start or a client to be answered


def here(node: Node, path: str) -> Path:
    """Where a path of the node is seen from the sandbox.  Changes nothing.

    Raises:
        Vanished: the node has ended.
    """
    if not os.path.isdir(node.root):
        raise Vanished(f"{node.name} is not running: its process has ended.", "Make it again with lab.node(…).")
    return Path(node.root + path)


def folder(node: Node, path: str) -> None:
    """Make a folder below the node's /run, if it is not there.  Shell: ``mkdir -p PATH``."""
    place = here(node, path)
    if not place.is_dir():
        place.mkdir(parents=True)
        journal.add([f"mkdir -p {_copy(node, path)}"])


def write(node: Node, path: str, text: str) -> None:
    """Write a file below the node's /run.  Shell: ``cat > PATH``."""
    folder(node, os.path.dirname(path))
    here(node, path).write_text(text)
    journal.add([f"cat > {_copy(node, path)} <<'EOF'\n{text.rstrip()}\nEOF"])


def remove(node: Node, path: str) -> None:
    """Remove a folder of the node's /run with what is in it, if it is there.  Shell: ``rm -rf PATH``."""
    place = here(node, path)
    if place.is_dir():
        shutil.rmtree(place)
        journal.add([f"rm -rf {_copy(node, path)}"])


def run(node: Node, command: str, *, input: str = "", script: str = "") -> Completed:
    """Run a program on the node that reads or makes files in its /run, such as a daemon, which stays behind.

    Args:
        command: as a shell reads it, and without anything only a shell understands.
        input: text for its standard input.
        script: what a script says instead, where a shell makes it shorter.

    Raises:
        ToolMissing, Vanished, TimedOut.
        LabError: its exit status is not 0.

    Shell: ``ip netns exec NODE COMMAND``.
    """
    done = node.run(command, input=input or None, timeout=_PATIENCE)
    if not done.ok:
        wrote = _FRAME.sub("", str(done)).strip() or "it wrote nothing"
        raise LabError(
            f"`{command}` on {node.name} ended with status {done.returncode}: {wrote}.",
            "Read what it wrote.",
        )
    note(node, script or command, input=input)
    return done


def note(node: Node, command: str, *, input: str = "") -> None:
    """Change nothing: write a command as ``run`` has it into the journal, for what was done in another way."""
    inside = f"mount --bind {_copy(node, '')} /run && exec {command}"
    line = f"ip netns exec {node.name} sh -c {quoted(inside)}"
    journal.add([f"{line} <<'EOF'\n{input.rstrip()}\nEOF" if input else line])


def _copy(node: Node, path: str) -> str:
    """Where a script keeps a path of the node's /run."""
    return f"/run/nodes/{node.name}{path.removeprefix('/run')}"
