"""Where a CNI runtime is tried: a network of probes, which write down how they are called."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labhelpers.cni import Runtime
from labhelpers.cni import pod as pods
from labhelpers.cni.cache import Cache
from labhelpers.cni.programs import PLUGIN_FOLDERS
from labhelpers.errors import LabError
from labhelpers.lab import Node

__all__ = ["FIRST", "LAST", "MIDDLE", "Recorded", "Stage"]

FIRST, MIDDLE, LAST = "probe-a", "probe-b", "probe-c"
_HOME = "/run/cni-stage"
_FILE = "000-stage.conflist"  # before any other
_PROBE = Path(__file__).with_name("probe.py")


@dataclass(frozen=True)
class Recorded:
    """One call of a probe, by its own account."""

    plugin: str
    environment: Mapping[str, str]
    stdin: str
    #: nanoseconds of one clock
    began: int
    ended: int
    #: inode number of the network namespace it ran in
    own: int
    #: inode number of the namespace at ``CNI_NETNS``, 0 if there was none
    container: int
    #: names of the results that were kept at that moment
    kept: tuple[str, ...]

    @property
    def command(self) -> str:
        """``ADD``, ``DEL`` …"""
        return self.environment.get("CNI_COMMAND", "")

    @property
    def request(self) -> Any:
        """What it read, as a value; ``None`` if that is not JSON."""
        try:
            return json.loads(self.stdin)
        except ValueError:
            return None


class Stage:
    """A runtime and its probes.  Use it in a ``with`` block; nothing is left afterwards.

    While it is there, its network is the first of the node.

    Args:
        make: makes the runtime that is tried, as the class ``Runtime`` does.
    """

    NETWORK = "stage"

    def __init__(self, node: Node, make: Callable[..., Runtime] = Runtime) -> None:
        self.node, self._make = node, make
        self._home = Path(f"{node.root}{_HOME}")
        self._config = Path(f"{node.root}/etc/cni/net.d/{_FILE}")
        self._orders: dict[str, Any] = {}

    def __enter__(self) -> Stage:
        for folder in (self._home / "plugins", self._home / "calls", self._config.parent):
            folder.mkdir(parents=True, exist_ok=True)
        text = f"#!{sys.executable} -IS\n{_PROBE.read_text(encoding='utf-8')}"
        for name in (FIRST, MIDDLE, LAST):
            program = self._home / "plugins" / name
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)
        self.order()
        self.configure()
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.clear()
        self.order()
        cache, runtime = Cache(self.node.root), Runtime(self.node)
        for one in cache.entries():
            if one.network == self.NETWORK:
                with suppress(LabError):
                    runtime.delete(one.container, one.ifname)
                cache.remove(*one.key)
        for container in pods.listed(self.node):
            if container.startswith(f"{self.NETWORK}-"):
                pods.remove(self.node, container)
        self._config.unlink(missing_ok=True)
        shutil.rmtree(self._home, ignore_errors=True)

    def configure(self, *plugins: Mapping[str, Any], **fields: Any) -> None:
        """Write the network's configuration; three probes by default, and version 1.1.0.

        Args:
            plugins: their configurations.
            fields: of the list; ``None`` leaves one out.
        """
        chain = list(plugins) or [{"type": name} for name in (FIRST, MIDDLE, LAST)]
        config = {"cniVersion": "1.1.0", "name": self.NETWORK, "plugins": chain, **fields}
        self._config.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))

    def order(self, **calls: Mapping[str, Any]) -> None:
        """Tell probes what to do, such as ``order(**{"probe-b ADD": {"error": {...}, "sleep": 0.1}})``."""
        self._orders.update(calls)
        (self._home / "orders.json").write_text(json.dumps(self._orders))

    def runtime(self) -> Runtime:
        """A runtime that has just been started: what it knows of earlier it must have kept."""
        return self._make(self.node, folders=(f"{_HOME}/plugins", *PLUGIN_FOLDERS), timeout=10, observe=False)

    def container(self, name: str = "a") -> str:
        """The id of one of the stage's containers."""
        return f"{self.NETWORK}-{name}"

    def calls(self, command: str = "") -> list[Recorded]:
        """The calls so far, in the order in which they began."""
        found = []
        for path in sorted((self._home / "calls").iterdir()):
            data = json.loads(path.read_text())
            found.append(Recorded(**{**data, "kept": tuple(data["kept"])}))
        return [one for one in found if command in ("", one.command)]

    def forget(self) -> None:
        """Forget the calls so far."""
        for path in (self._home / "calls").iterdir():
            path.unlink()
