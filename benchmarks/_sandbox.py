"""Where the measurements take place: a sandbox, and a fresh node for each."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from labhelpers.lab import Lab, Node

__all__ = ["BLOCK", "Floor", "fresh_node", "move_into_sandbox", "pod_names"]

BLOCK = "10.0.0.0/22"
_FIRST_POD, _PREFIX, _GATEWAY = "10.0.0.10", "22", "10.0.0.1"  # what a lab makes of the block


def move_into_sandbox() -> None:
    """Go on in a sandbox of its own: nothing below touches the machine's network, and all of it goes with the process.

    Runs this program again, inside.
    """
    if os.environ.get("POD_NETWORKING_SANDBOX") != "1":
        inside = [sys.executable, "-m", "labhelpers.sandbox.run", "--", sys.executable, *sys.argv]
        os.execv(sys.executable, inside)


def fresh_node() -> Node:
    """Remove what the lab made before, and make a node with room for a thousand pods and an empty bridge."""
    node = Lab().node("node-1", pod_cidr=BLOCK)
    assert node.bridge.ports == ()
    return node


def pod_names(count: int) -> list[str]:
    """The names of the pods, also in floor.c."""
    return [f"pod-{number}" for number in range(count)]


class Floor:
    """The program floor.c, compiled for this run."""

    def __init__(self) -> None:
        if shutil.which("gcc") is None:
            sys.exit("The floor is a C program and there is no gcc: sudo apt-get install gcc libc6-dev")
        # /run is the sandbox's own and goes with it
        self.program = Path(tempfile.mkdtemp(dir="/run"), "floor")
        source = Path(__file__).with_name("floor.c")
        subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", self.program, source], check=True)

    def _run(self, *arguments: str) -> list[int]:
        done = subprocess.run([self.program, *arguments], check=True, stdout=subprocess.PIPE, text=True)
        return [int(word) for word in done.stdout.split()]

    def build(self, node: Node, count: int) -> float:
        """Make pods on the node as the lab would; returns seconds."""
        (nanoseconds,) = self._run("build", node.name, str(node.pid), _FIRST_POD, _PREFIX, _GATEWAY, str(count))
        return nanoseconds / 1e9

    def snapshot(self) -> tuple[float, list[int]]:
        """Read all tables; returns seconds, and the rows of links, addresses, routes, neighbours, fdb and rules."""
        nanoseconds, *rows = self._run("snapshot")
        return nanoseconds / 1e9, rows

    def teardown(self, node: Node) -> None:
        """Remove everything that has a name, and the node."""
        self._run("teardown", str(node.pid))
