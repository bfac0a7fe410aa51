"""The network that a cluster is made with: by name, as on a command line, or with its settings.

Without one the nodes are there and not ready, as on a cluster on which nobody has installed a network yet.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from labhelpers.errors import BadInput
from labhelpers.networks import Calico, Canal, Cilium, Flannel, Network, PlainBridge, Weave

__all__ = ["NETWORKS", "PodNetwork", "daemon_set", "network_named", "spelled"]

PodNetwork = Network
NETWORKS: dict[str, type[Network]] = {
    "bridge": PlainBridge, "flannel": Flannel, "calico": Calico, "canal": Canal, "cilium": Cilium,
    "weave": Weave
}  # fmt: skip


def network_named(name: str) -> Network | None:
    """The network of this name, or as ``spelled`` wrote it; ``none`` is none.

    Raises:
        BadInput: there is none of this name here.
    """
    options: dict[str, Any] = {}
    if name.startswith("{"):
        options = json.loads(name)
        name = options.pop("network")
    if name == "none":
        return None
    if name not in NETWORKS:
        raise BadInput(
            f"There is no network {name!r} for a cluster here.", f"Choose one of {', '.join(NETWORKS)}, none."
        )
    make: Callable[..., Network] = NETWORKS[name]
    return make(**options)


def spelled(network: Network | str) -> str:
    """A network with its settings as one word of a command line."""
    if isinstance(network, Network):
        return json.dumps({"network": network.name, **network.options})
    return network


def daemon_set(network: Network) -> dict[str, Any]:
    """The DaemonSet by which a network's agent runs on every node, also on one that has no network yet."""
    agent = network.agent
    assert agent is not None
    labels = dict([agent.label])
    container = {
        "name": agent.container,
        "image": agent.image,
        "env": [
            {"name": "NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "NETWORK", "value": spelled(network)},
        ],
        "securityContext": {"privileged": True},
    }
    pod = {
        "hostNetwork": True,
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
    }
    return {
        "metadata": {"name": agent.daemon_set, "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
