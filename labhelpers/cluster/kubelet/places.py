"""Where a kubelet and its runtime keep things on a node, as the node sees them.

All of it is in file systems of the node's own, and goes with the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = [
    "CONTAINERS",
    "IMAGES",
    "LOGS",
    "LOG_LINKS",
    "PODS",
    "container_folder",
    "log_file",
    "log_folder",
    "log_link",
    "pod_folder",
]

#: images, of all nodes together; what a container changes, and what a pod has of its own
IMAGES = "/run/containerd/images"
CONTAINERS = "/run/containerd/containers"
PODS = "/run/kubelet/pods"
LOGS = "/var/log/pods"
LOG_LINKS = "/var/log/containers"


def pod_folder(pod: Mapping[str, Any]) -> str:
    """What a pod has of its own: its hosts file, its volumes.  On a real node it is below /var/lib/kubelet."""
    return f"{PODS}/{pod['metadata']['uid']}"


def container_folder(container_id: str) -> str:
    """What one container changes of its image."""
    return f"{CONTAINERS}/{container_id}"


def log_folder(pod: Mapping[str, Any], container: str) -> str:
    """The logs of a container, one for each time it was started."""
    meta = pod["metadata"]
    return f"{LOGS}/{meta['namespace']}_{meta['name']}_{meta['uid']}/{container}"


def log_file(pod: Mapping[str, Any], container: str, restarts: int) -> str:
    """The log of a container since it was started this time."""
    return f"{log_folder(pod, container)}/{restarts}.log"


def log_link(pod: Mapping[str, Any], container: str, container_id: str) -> str:
    """The name of a log that says all in one: pod, namespace, container and its id."""
    meta = pod["metadata"]
    return f"{LOG_LINKS}/{meta['name']}_{meta['namespace']}_{container}-{container_id}.log"
