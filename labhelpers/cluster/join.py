"""``python -m labhelpers.cluster.join --kubeconfig FILE``: lab nodes join an API server that is not the course's own.

The nodes are made on the lab, and their kubelets work against the API server of the kubeconfig: a real etcd,
kube-apiserver, kube-controller-manager and kube-scheduler, for one.  Its controllers make the pods, its scheduler gives
them to the nodes, and the kubelets run them.  SIGTERM or Ctrl-C takes the nodes and their ``Node`` objects away.

What is not there: a kubelet's own HTTPS port.  ``kubectl logs``, ``exec``, ``attach`` and ``port-forward`` go from the
API server to that port, so they fail on these nodes.

It runs in a sandbox, and the API server must be reachable from there: on the sandbox's own loopback.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from contextlib import ExitStack, suppress

from labhelpers.cluster.credentials import store_of
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.cluster.kubelet.lease import renew
from labhelpers.cluster.pod_network import PodNetwork, network_named
from labhelpers.errors import BadInput, LabError
from labhelpers.lab import Lab, underlay
from labhelpers.linux.container.shim import Shim
from labhelpers.linux.inside import require_sandbox
from labhelpers.networks.route.carrier import Carrier
from labhelpers.store import NODES, Refused, Store

__all__ = ["JoinedNodes"]

_MOST_NODES = 50
_RENEW = 10.0  # seconds, as a real kubelet
_NO_PORT = "kubectl logs, exec, attach and port-forward do not work on these nodes: their kubelets have no HTTPS port."


class JoinedNodes:
    """Nodes on the lab whose kubelets belong to somebody's API server.

    Args:
        store: the API server.
        names: of the nodes.
        network: how their pods are connected; none leaves them not ready.

    Raises:
        LabError: nothing is left of the attempt.
    """

    def __init__(self, store: Store, names: list[str], network: PodNetwork | None) -> None:
        require_sandbox()
        self._store, self._network = store, network
        self._carrier: Carrier | None = None
        self._kubelets: list[Kubelet] = []
        self._stop = threading.Event()
        with ExitStack() as undo:
            self._shim = undo.enter_context(Shim())
            self.lab = Lab.beside()
            if not underlay.exists():
                undo.callback(underlay.remove_if_empty)
            undo.callback(self._remove_nodes)
            self._shelf = Shelf()
            undo.callback(self._end_kubelets)
            for name in names:
                self._add(name)
            beat = threading.Thread(target=self._renew, name="leases", daemon=True)
            undo.callback(beat.join)
            undo.callback(self._stop.set)
            beat.start()
            self._undo = undo.pop_all()

    def _add(self, name: str) -> None:
        node = self.lab.node(name)
        if self._network is not None:
            self._network.configure(node)
            if self._carrier is not None:
                self._carrier.node_added(node)
            else:
                self._carrier = self._network.connect(self.lab)
        kubelet = Kubelet(node, self._store, self._shim, self._shelf)
        self._kubelets.append(kubelet)
        kubelet.start()
        renew(self._store, name)

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW):
            for kubelet in self._kubelets:
                if kubelet.alive:
                    with suppress(Refused):  # later, when the API server answers again
                        renew(self._store, kubelet.node.name)

    def _end_kubelets(self) -> None:
        """The nodes leave the cluster: their pods are then started elsewhere."""
        for kubelet in self._kubelets:
            kubelet.stop()
            with suppress(Refused):
                self._store.delete(NODES, kubelet.node.name)

    def _remove_nodes(self) -> None:
        self._shim.close()  # containers keep namespaces alive
        for node in self.lab.nodes:
            with suppress(LabError):  # somebody else has
                node.delete()

    @property
    def has_nodes(self) -> bool:
        """Is any of them still there?"""
        return bool(self.lab.nodes)

    def close(self) -> None:
        """End the kubelets and remove the nodes, here and at the API server."""
        self._undo.close()

    def __enter__(self) -> JoinedNodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m labhelpers.cluster.join", description=__doc__.partition("\n")[0])
    parser.add_argument("--kubeconfig", required=True, help="of the cluster to join")
    parser.add_argument("--nodes", type=int, default=2, help="how many nodes to make (2)")
    parser.add_argument("--network", default="bridge", choices=("bridge", "none"), help="of the pods (bridge)")
    return parser.parse_args()


def main() -> None:
    """Join, and stay until SIGTERM or until the nodes are gone."""
    arguments = _arguments()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        if not 1 <= arguments.nodes <= _MOST_NODES:
            raise BadInput(f"{arguments.nodes} nodes cannot join.", f"Choose 1 to {_MOST_NODES}.")
        names = [f"node-{number}" for number in range(1, arguments.nodes + 1)]
        joined = JoinedNodes(store_of(arguments.kubeconfig), names, network_named(arguments.network))
    except LabError as error:
        sys.exit(str(error))
    with joined:
        print(f"Joined: {', '.join(names)}. {_NO_PORT}", flush=True)
        while not stop.wait(1.0) and joined.has_nodes:
            pass


if __name__ == "__main__":
    main()
