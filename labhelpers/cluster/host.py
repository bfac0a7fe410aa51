"""``python -m labhelpers.cluster.host``: the process of a cluster, beside the notebook's: a busy cell does not stop it.

In it are the store, the API server, the controllers, the scheduler and every node's kubelet, each in threads of its
own.  It makes the nodes, and is the parent of the processes that keep them; containers are children of its shim.  The
sandbox ends it with everything else.

Its first line on standard output says how to reach it, or why it could not begin, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from labhelpers.cluster import kubeconfig
from labhelpers.cluster.agent import door
from labhelpers.cluster.api.certificate import make_certificate
from labhelpers.cluster.api.serving import ADDRESS, Serving, listen
from labhelpers.cluster.controllers import Manager, controllers
from labhelpers.cluster.lab_nodes import LabNodes, told_to_end
from labhelpers.cluster.node_api import NodeApi
from labhelpers.cluster.pod_network import NETWORKS, PodNetwork, daemon_set, network_named
from labhelpers.cluster.scheduler import Scheduler
from labhelpers.cluster.state import State
from labhelpers.errors import BadInput, LabError
from labhelpers.lab import Lab, Node
from labhelpers.linux.inside import MARKER
from labhelpers.store import DAEMONSETS, NAMESPACES, NODES, MemoryStore, ObjectExists

__all__ = ["ClusterHost"]

_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
_PATIENCE, _OFTEN = 20.0, 0.02  # seconds
_CONTROL_PLANE = {"node-role.kubernetes.io/control-plane": ""}


class ClusterHost:
    """Everything of a cluster, in this process.

    Args:
        names: of the nodes; the first one is called the control plane.
        network: the pods' network; none leaves the nodes without one.
        saved: what ``Cluster.save`` has written.

    Raises:
        LabError: nothing is left of the attempt.
    """

    def __init__(self, names: list[str], network: PodNetwork | None, saved: dict[str, Any] | None = None) -> None:
        self._network = network
        self._requests: dict[str, NodeApi] = {}
        self.store = MemoryStore()
        with ExitStack() as undo:
            self.nodes = undo.enter_context(LabNodes(self.store, network))
            # in the sandbox's own /run, which goes with it: a cluster that is killed leaves no key on the machine
            run = str(MARKER.parent)
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix="cluster-", dir=run)))
            if saved is not None:
                self.store.load(saved)
            self._furnish()
            self._install_agent()
            token = secrets.token_hex(16)
            certificate = make_certificate(folder, ADDRESS)
            self._api = Serving(
                self.store, self._requests, listen(), token=token, certificate=certificate, door=door.listen(token)
            )
            undo.callback(self._api.close)
            manager = Manager(self.store, [*controllers(self.store), Scheduler(self.store)])
            undo.callback(manager.close)
            undo.callback(self.nodes.stop_kubelets)
            for name in names:
                self.add_node(name)
            kubeconfig.write(self._api.url, certificate.certificate.read_bytes(), token)
            undo.callback(kubeconfig.remove, self._api.url)
            self._undo = undo.pop_all()

    def _furnish(self) -> None:
        for name in _NAMESPACES:
            meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
            try:
                self.store.create(
                    NAMESPACES,
                    {"metadata": meta, "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}},
                )
            except ObjectExists:  # it was saved
                pass

    def _install_agent(self) -> None:
        """The network's agent, and none of another network, which a saved cluster may have had."""
        ours = self._network.agent if self._network is not None else None
        agents = {one.agent.daemon_set for one in NETWORKS.values() if one.agent is not None}
        for one in self.store.list(DAEMONSETS, "kube-system"):
            if one["metadata"]["name"] in agents:
                self.store.delete(DAEMONSETS, one["metadata"]["name"], "kube-system")
        if self._network is not None and ours is not None:
            self.store.create(DAEMONSETS, daemon_set(self._network))

    @property
    def lab(self) -> Lab:
        """The lab that its nodes are on."""
        return self.nodes.lab

    @property
    def state(self) -> State:
        """How to reach it."""
        return State(os.getpid(), self._api.url, [self._described(node) for node in self.lab.nodes])

    @staticmethod
    def _described(node: Node) -> dict[str, Any]:
        return {"name": node.name, "pid": node.pid, "address": node.address, "pod_cidr": node.pod_cidr}

    def add_node(self, name: str) -> None:
        """Make a node with a kubelet, and connect it with the others."""
        labels = {} if self._requests else _CONTROL_PLANE
        self._requests[name] = self.nodes.add(name, labels=labels).requests

    def wait_until_ready(self, timeout: float = _PATIENCE) -> None:
        """Wait until every node is ready, which is when its agent has written its CNI configuration, and every agent.

        A network that does not come within ``timeout`` seconds is left as it is: its pods say why.
        """
        end = time.monotonic() + timeout
        while self._network is not None and not self._all_ready() and time.monotonic() < end:
            time.sleep(_OFTEN)

    def _all_ready(self) -> bool:
        ready = {"type": "Ready", "status": "True"}
        told = [node.get("status", {}).get("conditions", []) for node in self.store.list(NODES)]
        agents = [one.get("status", {}).get("numberReady", 0) for one in self.store.list(DAEMONSETS, "kube-system")]
        return (
            len(told) >= len(self._requests)
            and all(any(ready.items() <= one.items() for one in of) for of in told)
            and all(number >= len(self._requests) for number in agents)
        )

    def close(self) -> None:
        """End everything, in the order in which it depends on one another."""
        self._undo.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m labhelpers.cluster.host")
    parser.add_argument("nodes", nargs="+")
    parser.add_argument("--network", default="bridge")
    parser.add_argument("--load", default="")
    return parser.parse_args()


def _saved(path: str) -> dict[str, Any] | None:
    if not path:
        return None
    try:
        saved = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} is no saved cluster: {error}.", "Save one with cluster.save(path).") from None
    return dict(saved)


def main() -> None:
    """Run a cluster until SIGTERM, or until its nodes are gone."""
    arguments = _arguments()
    told = told_to_end()
    try:
        host = ClusterHost(arguments.nodes, network_named(arguments.network), _saved(arguments.load))
    except LabError as error:
        print(json.dumps({"error": type(error).__name__, "what": error.what, "to_do": error.to_do}), flush=True)
        sys.exit(1)
    host.wait_until_ready()
    host.state.write()
    print(json.dumps(host.state.as_json()), flush=True)
    host.nodes.stay(told)
    State.remove()
    host.close()


if __name__ == "__main__":
    main()
