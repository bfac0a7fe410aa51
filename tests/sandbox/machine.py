"""A machine within the machine: a user namespace where a test is the administrator and may forbid things.

Nothing of the machine itself is changed: limits, mounts and process ids of a user namespace are its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

__all__ = ["kernel_on", "limits", "machine"]


def machine(prepare: str = "", *, without: tuple[str, ...] = (), pids: bool = False) -> list[str]:
    """The prefix that runs a command on such a machine.

    Args:
        prepare: shell commands that its administrator runs first.
        without: capabilities that the command does not have, such as ``sys_admin``.
        pids: with process ids of its own.  All of it ends with the first process.
    """
    own_pids = ["--pid", "--fork", "--kill-child", "--mount-proc"] if pids else []
    shell = ["sh", "-ec", f'{prepare}\nexec "$@"', "sh"]
    return ["unshare", "--user", "--map-root-user", "--mount", *own_pids, *shell, *limits(without)]


def limits(without: tuple[str, ...]) -> list[str]:
    """The prefix that runs a command without these capabilities."""
    if not without:
        return []
    names = ",".join(f"-{name}" for name in without)
    return ["setpriv", "--bounding-set", names, "--inh-caps", names, "--"]


def kernel_on(
    folder: Path, prefix: list[str], monkeypatch: pytest.MonkeyPatch, module: str = "labhelpers.sandbox"
) -> str:
    """Register a kernel as ours that runs on such a machine.  Returns its name."""
    (spec := folder / "kernels/on-a-machine").mkdir(parents=True)
    argv = [*prefix, sys.executable, "-m", module, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "on a machine", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return "on-a-machine"
