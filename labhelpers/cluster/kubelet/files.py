"""``PodFiles``: what a kubelet writes on the node's disk for one pod, and keeps up to date: /etc and volumes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from labhelpers.cluster.kubelet import places, volumes
from labhelpers.cluster.kubelet.etc import hostname_of, hosts, resolv_conf
from labhelpers.cluster.kubelet.host import Host

__all__ = ["PodFiles"]

_OFTEN = 1.0  # seconds between looks at the ConfigMaps that are mounted; a real kubelet takes up to two minutes


class PodFiles:
    """The files of one pod.

    Args:
        host: the node they are on.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._resolv_conf = ""
        self._volumes: dict[str, str] | None = None
        #: in how many seconds to look again, as what is in the volumes may change
        self.look_again: float | None = None

    @property
    def prepared(self) -> bool:
        """Are the volumes there?"""
        return self._volumes is not None

    @property
    def volumes(self) -> Mapping[str, str]:
        """The path on the node of each volume by name."""
        return self._volumes or {}

    def write_etc(self, pod: Mapping[str, Any], address: str) -> None:
        """Write hosts, hostname and resolv.conf, which the pod's containers see in /etc."""
        folder = self._etc(pod)
        os.makedirs(folder, exist_ok=True)
        (folder / "hosts").write_text(hosts(pod, address, self._host.file("/etc/hosts")))
        name = self._host.node.name if pod["spec"].get("hostNetwork") else hostname_of(pod)
        (folder / "hostname").write_text(f"{name}\n")
        self._resolv_conf = ""
        self._write_resolv_conf(pod)

    def _etc(self, pod: Mapping[str, Any]) -> Path:
        return Path(f"{self._host.node.root}{places.pod_folder(pod)}/etc")

    def _write_resolv_conf(self, pod: Mapping[str, Any]) -> None:
        """Written into the file that is there: a file of the same name would not be the one that containers see."""
        text = resolv_conf(pod, self._host.name_servers, self._host.file("/etc/resolv.conf"))
        if text != self._resolv_conf:
            (self._etc(pod) / "resolv.conf").write_text(text)
            self._resolv_conf = text

    def keep(self, pod: Mapping[str, Any], address: str, field: Callable[[str], str]) -> None:
        """Make the volumes; once they are there, write what has changed of ConfigMaps and of the name servers.

        A real kubelet never writes resolv.conf again, because its name server has an address of a service, which
        stays.  Here it has a pod's, and another one when the pod is another one.

        Raises:
            CannotMount, CannotConfigure.
        """
        data = self._host.config_map(pod["metadata"]["namespace"])
        folder = places.pod_folder(pod)
        if self._volumes is None:
            self._volumes = volumes.prepare(pod, self._host.node.root, folder, field, data)
        else:
            volumes.refresh(pod, self._host.node.root, self._volumes, data)
            self._write_resolv_conf(pod)
        self.look_again = _OFTEN if any(one.get("configMap") for one in pod["spec"].get("volumes") or ()) else None
