"""Who may have an image that runs in its node's own file system: the agent of a network, and nobody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labhelpers.cluster.images import CannotPull, Image

__all__ = ["require_agent"]

_NAMESPACE = "kube-system"


def require_agent(pod: Mapping[str, Any], container: Mapping[str, Any], image: Image) -> None:
    """Change nothing: refuse such an image to a pod that says of itself less than a network's agent says.

    A real agent's image has a root file system of its own.  The course's stands for it in that of the node, so that
    whoever names it would get the node's files, if it were not asked for what gives them on a real cluster too.

    Raises:
        CannotPull: the pod is not one of kube-system, on the node's network, with this container privileged.
    """
    if image.folder:
        return
    misses = [
        words
        for has, words in (
            (pod["metadata"]["namespace"] == _NAMESPACE, f"to be in the namespace {_NAMESPACE}"),
            (pod["spec"].get("hostNetwork") is True, "hostNetwork: true"),
            ((container.get("securityContext") or {}).get("privileged") is True, "privileged: true"),
        )
        if not has
    ]
    if misses:
        raise CannotPull(
            f'"{image.reference}" is the agent of a network here, and runs in the file system of its node: '
            f"the pod needs {', '.join(misses)}.",
            "The network that a cluster is started with brings its agent along: minikube start --cni=calico.",
        )
