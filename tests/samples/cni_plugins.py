"""Small CNI plugins to be started by tests, and how to start one as any runtime would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CLONE", "Answer", "call", "write"]

CLONE = Path(__file__).resolve().parents[2]
_BEGIN = f"""\
#!{sys.executable} -IS
import os, sys
sys.path.insert(0, {str(CLONE)!r})
"""
#: what a runtime sets for ADD; the namespace is our own
ADD = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "web",
    "CNI_NETNS": "/proc/self/ns/net",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/nowhere",
}
CONFIG = {"cniVersion": "1.0.0", "name": "pods", "type": "small"}


@dataclass(frozen=True)
class Answer:
    """How a plugin ended, and what it wrote."""

    status: int
    stdout: str
    stderr: str

    @property
    def value(self) -> Any:
        """Its standard output, which must be JSON."""
        return json.loads(self.stdout)


def write(folder: Path, name: str, program: str) -> Path:
    """A plugin in a folder: a program of its own if it begins with ``#!``, else Python with the skeleton at hand."""
    path = folder / name
    path.write_text(program if program.startswith("#!") else _BEGIN + program)
    path.chmod(0o755)
    return path


def call(
    plugin: Path,
    *,
    environment: Mapping[str, str | None] | None = None,
    config: Mapping[str, Any] | None = None,
    stdin: str | bytes | None = None,
) -> Answer:
    """Start a plugin for ADD of the container ``web``.

    Args:
        environment: variables to set, or with ``None`` to leave out.
        config: fields to set in the configuration, or with ``None`` to leave out.
        stdin: in place of the configuration.
    """
    merged = {**CONFIG, **(config or {})}
    text = json.dumps({key: value for key, value in merged.items() if value is not None}) if stdin is None else stdin
    variables = {**ADD, "PATH": os.environ["PATH"], **(environment or {})}
    done = subprocess.run(
        [str(plugin)],
        input=text if isinstance(text, bytes) else text.encode(),
        env={key: value for key, value in variables.items() if value is not None},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())
