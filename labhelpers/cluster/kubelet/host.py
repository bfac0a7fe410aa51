"""What every worker of a node uses: the node itself, its runtimes, the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labhelpers.cluster.events import Recorder
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet.container import Launcher
from labhelpers.cluster.kubelet.turns import Turns
from labhelpers.cni import Runtime
from labhelpers.lab import Node
from labhelpers.linux.container.shim import Shim
from labhelpers.store import CONFIGMAPS, ObjectNotFound, Store

__all__ = ["Host"]


@dataclass(frozen=True)
class Host:
    """A node as its kubelet uses it."""

    node: Node
    store: Store
    shim: Shim
    shelf: Shelf
    runtime: Runtime
    recorder: Recorder
    #: why the network is not ready; ``""`` if it is
    network_trouble: Callable[[], str]
    #: the addresses of the cluster's DNS: its pods' own, as there is no service network.  ``NameServers`` keeps it
    name_servers: list[str] = field(default_factory=list)
    launcher: Launcher = field(init=False)
    turns: Turns = field(default_factory=Turns)

    def __post_init__(self) -> None:
        object.__setattr__(self, "launcher", Launcher(self.node, self.shim, self.shelf))

    def file(self, path: str) -> str:
        """The text of a file of the node; ``""`` if it has none."""
        try:
            return Path(f"{self.node.root}{path}").read_text()
        except OSError:
            return ""

    def config_map(self, namespace: str) -> Callable[[str], Mapping[str, str] | None]:
        """The data of the ConfigMaps of a namespace by name."""

        def data(name: str) -> Mapping[str, str] | None:
            try:
                found: Any = self.store.get(CONFIGMAPS, name, namespace)
            except ObjectNotFound:
                return None
            return dict(found.get("data") or {})

        return data
