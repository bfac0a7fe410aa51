"""One trial of a CNI plugin: containers of its own, a network of its own, and nothing left afterwards."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from labhelpers.cni import pod as pods
from labhelpers.cni.exchange import Exchange
from labhelpers.cni.invoke import Call, run
from labhelpers.cni.pod import CniPod
from labhelpers.cni.programs import find
from labhelpers.errors import LabError, Vanished
from labhelpers.lab import Node
from labhelpers.lab.label import Label
from labhelpers.linux import link, process

__all__ = ["HOME", "Trial"]

#: where a trial keeps its files in the node
HOME = "/run/cni-trial"
_BESIDE = 251  # above the numbers of all others


class Trial:
    """Call one plugin by hand, as a runtime would.

    Args:
        node: where; nothing of its own networks is touched.
        config: the plugin's configuration without ``name``; its ``ipam`` gets a range and a folder of the trial's.
        folders: ``CNI_PATH``.
        addresses: how many addresses there are to give.
        number: from 1 to 250; its network and its addresses follow from it.
        timeout: seconds for one call.
    """

    def __init__(
        self,
        node: Node,
        config: Mapping[str, Any],
        folders: tuple[str, ...],
        *,
        addresses: int = 200,
        number: int = 250,
        timeout: float = 20,
    ) -> None:
        self.node, self.folders, self._timeout = node, folders, timeout
        self.name = f"trial-{number}"
        first = f"10.250.{number}"
        ranges = [[{"subnet": f"{first}.0/24", "rangeStart": f"{first}.10", "rangeEnd": f"{first}.{9 + addresses}"}]]
        ipam = {
            key: value for key, value in dict(config.get("ipam") or {}).items() if key not in ("subnet", "rangeStart")
        }
        self.config: dict[str, Any] = {
            **config,
            "name": self.name,
            "bridge": f"trial{number}",
            "ipam": {**ipam, "ranges": ranges, "dataDir": HOME},
        }
        self._containers: list[str] = []
        #: which call did not end in time, in words; nothing more can be learnt from such a plugin
        self.hung = ""

    def __enter__(self) -> Trial:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        shutil.rmtree(f"{self.node.root}{HOME}", ignore_errors=True)

    def clear(self) -> None:
        """Take its containers and its bridge away, without asking the plugin.  What IPAM has noted stays."""
        for container in tuple(self._containers):
            with suppress(LabError):
                self.remove(container)
        with suppress(LabError), self.node._kernel.changes() as changes:
            link.delete(changes, self.config["bridge"])
            changes.apply()

    def beside(self) -> Trial:
        """Another network of the node, by the same plugin, with one address.  Use it in a ``with`` block."""
        return Trial(self.node, self.config, self.folders, addresses=1, number=_BESIDE, timeout=self._timeout)

    @property
    def version(self) -> str:
        """The version that it is asked in."""
        return str(self.config["cniVersion"])

    def pod(self, container: str) -> CniPod:
        """A container's namespace, made as a runtime must before ADD."""
        label = Label("pod", f"{self.name}-{container}", self.node.name, "cni")
        made = pods.create(self.node, f"{self.name}-{container}", label=label)
        self._containers.append(container)
        return made

    def netns(self, container: str) -> str:
        """The path of its namespace."""
        return f"/run/netns/{pods.name_of(f'{self.name}-{container}')}"

    def remove(self, container: str) -> None:
        """Take a container's namespace away, as if the machine had been restarted."""
        self._containers.remove(container)
        pod = pods.find(self.node, f"{self.name}-{container}")
        with suppress(Vanished):
            process.end_all_in({pod.inode})
            # the kernel does it too, but some time after the name is gone, and the next check counts cables
            with pod._kernel.changes() as changes:
                for one in link.dump(changes.socket):
                    if one.kind == "veth":
                        link.delete(changes, one.name)
            pods.delete(self.node, pod)

    def call(
        self,
        command: str,
        container: str = "",
        ifname: str = "eth0",
        *,
        config: Mapping[str, Any] | None = None,
        netns: str | None = None,
        environment: Mapping[str, str | None] | None = None,
        stdin: str | None = None,
        when_started: Callable[[], object] = lambda: None,
    ) -> Exchange:
        """Start the plugin once.

        Args:
            config: fields to set in the configuration; ``None`` as a value leaves a field out.
            netns: another path than that of the container's namespace.
            environment: variables to set, or with ``None`` to leave out, whatever else the call says.
            stdin: text to send in place of the configuration.
            when_started: called before it gets the configuration.
        """
        name = str(self.config["type"])
        request = {key: value for key, value in {**self.config, **(config or {})}.items() if value is not None}
        if netns is None:
            netns = self.netns(container) if container and command != "GC" else ""
        call = Call(command, f"{self.name}-{container}" if container else "", netns, ifname if container else "")
        path = find(self.node, name, self.folders)
        exchange = run(
            self.node,
            name,
            path,
            call,
            request,
            self.folders,
            timeout=self._timeout,
            override=environment,
            stdin=stdin,
            when_started=when_started,
        )
        if exchange.trouble.startswith("did not end"):
            self.hung = f"{command} {exchange.trouble}"
        return exchange

    def add(self, container: str, ifname: str = "eth0", **options: Any) -> Exchange:
        """ADD, in a namespace that is made if it is not there."""
        if container not in self._containers:
            self.pod(container)
        return self.call("ADD", container, ifname, **options)

    def inside(self, container: str) -> CniPod:
        """The container as the kernel has it."""
        return pods.find(self.node, f"{self.name}-{container}")
