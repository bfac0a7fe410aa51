"""What a kubelet says of its node: the ``Node`` object, and whether the node can run pods.

Source: https://kubernetes.io/docs/reference/node/node-status/.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labhelpers.cluster.kubelet.status import with_conditions
from labhelpers.lab import Node

__all__ = ["VERSION", "conditions", "node_object", "node_status"]

#: the version of Kubernetes whose kubelet this one follows
VERSION = "1.32.3"
_MOST_PODS = 110
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
#: what a kubelet measures beside its readiness; nothing is measured here that could become true
_PRESSURES = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}


def node_object(node: Node, labels: Mapping[str, str]) -> dict[str, Any]:
    """The object as a kubelet registers it."""
    architecture = _architecture()
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": node.name,
            "labels": {
                "beta.kubernetes.io/arch": architecture,
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": architecture,
                "kubernetes.io/hostname": node.name,
                "kubernetes.io/os": "linux",
                **labels,
            },
        },
        "spec": {"podCIDR": node.pod_cidr, "podCIDRs": [node.pod_cidr]},
    }


def _architecture() -> str:
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def node_status(node: Node, before: Mapping[str, Any], trouble: str, now: str) -> dict[str, Any]:
    """The whole status.

    Args:
        before: the status so far.
        trouble: why the network is not ready, ``""`` if it is.
        now: a time of RFC 3339.
    """
    room = {"cpu": str(os.cpu_count() or 1), "memory": _memory(), "pods": str(_MOST_PODS)}
    return {
        **before,
        "addresses": [{"type": "InternalIP", "address": node.address}, {"type": "Hostname", "address": node.name}],
        "capacity": room,
        "allocatable": room,
        "conditions": conditions(before.get("conditions") or (), trouble, now),
        "nodeInfo": _info(),
    }


def conditions(before: Any, trouble: str, now: str) -> list[dict[str, Any]]:
    """Ready or not, and why; with the time at which it was said."""
    if trouble:
        ready = (False, "KubeletNotReady", f"container runtime network not ready: {trouble}")
    else:
        ready = (True, "KubeletReady", "kubelet is posting ready status")
    ours = {kind: (False, *words) for kind, words in _PRESSURES.items()} | {"Ready": ready}
    found = with_conditions(before, ours, now)
    for one in found:
        if one["type"] in ours:
            one.pop("lastProbeTime", None)
            one["lastHeartbeatTime"] = now
            one["reason"], one["message"] = ours[one["type"]][1:]
    return found


def _memory() -> str:
    kilobytes = next(
        (line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemTotal")), "0"
    )
    return f"{kilobytes}Ki"


def _info() -> dict[str, Any]:
    machine = _first_line("/etc/machine-id")
    return {
        "architecture": _architecture(),
        "bootID": _first_line("/proc/sys/kernel/random/boot_id"),
        "containerRuntimeVersion": f"namespaces://{VERSION}+pod-networking",
        "kernelVersion": platform.release(),
        "kubeProxyVersion": "",
        "kubeletVersion": f"v{VERSION}+pod-networking",
        "machineID": machine,
        "operatingSystem": "linux",
        "osImage": _os_name(),
        "systemUUID": machine,
    }


def _first_line(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _os_name() -> str:
    try:
        return str(platform.freedesktop_os_release().get("PRETTY_NAME", "Linux"))
    except OSError:
        return "Linux"
