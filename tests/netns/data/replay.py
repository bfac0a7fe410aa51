"""Run the shell script on standard input, and print the snapshot it leads to.  ``test_lab_replay.py`` runs this."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from labhelpers.course import settle
from labhelpers.topology import Snapshot, normalised

__all__ = ["replayed", "result"]

_CLONE = Path(__file__).parent.parent.parent.parent


def result() -> str:
    """The normalised snapshot of this sandbox, once every cable has its signal."""
    settle()
    return "\n".join(map(repr, normalised(Snapshot.take(firewall=True)))) + "\n"


def replayed(script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a sandbox of its own; it prints ``result()`` at its end."""
    command = [sys.executable, "-m", "labhelpers.sandbox.run", "--", sys.executable, "-m", "tests.netns.data.replay"]
    return subprocess.run(command, input=script, cwd=_CLONE, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    subprocess.run(["sh", "-eu"], stdin=sys.stdin, check=True)
    print(result(), end="")
