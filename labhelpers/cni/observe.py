"""Listen to the calls that plugins make themselves.

A main plugin starts its IPAM plugin by looking for it on ``CNI_PATH``.  An observer puts a folder of its own in front.
In it, under the name of each plugin, is a shell script that writes down what it is given, starts the real plugin with
it, and writes down what comes back.  Neither plugin can tell the difference, but for the first entry of ``CNI_PATH``.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import tempfile
from collections.abc import Mapping
from pathlib import Path

from labhelpers.cni.exchange import Exchange

__all__ = ["Observer"]

_SCRIPT = """\
#!/bin/sh
call=$(mktemp -d {calls}/{name}.XXXXXXXX) || exec {real}
env -0 >"$call/environment"
cat >"$call/stdin"
{real} <"$call/stdin" >"$call/stdout" 2>"$call/stderr"
status=$?
cat "$call/stdout"
cat "$call/stderr" >&2
echo $status >"$call/status"
[ $status -le 128 ] || kill -$((status - 128)) $$
exit $status
"""


class Observer:
    """Write down the calls to some plugins while a ``with`` block runs.

    Args:
        root: of the node's file system, as seen from here.
        plugins: path of each plugin in the node, by name.
    """

    def __init__(self, root: str, plugins: Mapping[str, str]) -> None:
        self._plugins = plugins
        self._root = root

    def __enter__(self) -> Observer:
        self._here = Path(tempfile.mkdtemp(prefix="cni-observed-", dir=f"{self._root}/run"))
        self._calls = self._here / "calls"
        self._calls.mkdir()
        for name, path in self._plugins.items():
            quoted = {"calls": self._in_node(self._calls), "name": name, "real": path}
            script = self._here / name
            script.write_text(_SCRIPT.format(**{key: shlex.quote(word) for key, word in quoted.items()}))
            script.chmod(0o755)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._here, ignore_errors=True)

    def _in_node(self, path: Path) -> str:
        return f"/{path.relative_to(self._root)}"

    @property
    def folder(self) -> str:
        """What goes to the front of ``CNI_PATH``."""
        return self._in_node(self._here)

    def forgotten_in(self, text: str) -> str:
        """A text without our folder: plugins repeat their ``CNI_PATH`` when they find something missing."""
        return text.replace(f"{self.folder}{os.pathsep}", "").replace(f"{self.folder} ", "")

    def take(self) -> tuple[Exchange, ...]:
        """The calls written down so far, in order."""
        calls = sorted(self._calls.iterdir(), key=lambda call: call.stat().st_ctime_ns)
        return tuple(self._exchange(call) for call in calls)

    def _exchange(self, call: Path) -> Exchange:
        pairs = (part.split("=", 1) for part in _text(call / "environment").split("\0") if "=" in part)
        environment = {name: self.forgotten_in(value) for name, value in pairs if name.startswith("CNI_")}
        name = call.name.rpartition(".")[0]
        return Exchange(
            plugin=name,
            command=environment.get("CNI_COMMAND", ""),
            path=self._plugins.get(name, ""),
            environment=environment,
            stdin=_text(call / "stdin"),
            stdout=self.forgotten_in(_text(call / "stdout")),
            stderr=self.forgotten_in(_text(call / "stderr")),
            status=_status(_text(call / "status")),
        )


def _status(text: str) -> int:
    """As Python counts it: a signal's number with a minus.  A shell adds 128 to it, and writes nothing if it died."""
    status = int(text or 128 + signal.SIGKILL)
    return status if status <= 128 else 128 - status


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:  # the plugin was killed before the script came that far
        return ""
