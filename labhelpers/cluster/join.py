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
import sys
import threading
from contextlib import ExitStack, suppress

from labhelpers.cluster.credentials import store_of
from labhelpers.cluster.kubelet.lease import renew
from labhelpers.cluster.lab_nodes import LabNodes, told_to_end
from labhelpers.cluster.pod_network import PodNetwork, network_named
from labhelpers.errors import BadInput, LabError
from labhelpers.lab import Lab
from labhelpers.linux.inside import require_sandbox
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
        self._store = store
        self._stop = threading.Event()
        with ExitStack() as undo:
            self.nodes = undo.enter_context(LabNodes(store, network))
            undo.callback(self._leave)
            for name in names:
                self.nodes.add(name)
                renew(store, name)
            beat = threading.Thread(target=self._renew, name="leases", daemon=True)
            undo.callback(beat.join)
            undo.callback(self._stop.set)
            beat.start()
            self._undo = undo.pop_all()

    def _renew(self) -> None:
        while not self._stop.wait(_RENEW):
            for name, kubelet in self.nodes.kubelets.items():
                if kubelet.alive:
                    with suppress(Refused):  # later, when the API server answers again
                        renew(self._store, name)

    def _leave(self) -> None:
        """The nodes leave the cluster: their pods are then started elsewhere."""
        self.nodes.stop_kubelets()
        for name in self.nodes.kubelets:
            with suppress(Refused):
                self._store.delete(NODES, name)

    @property
    def lab(self) -> Lab:
        """The lab that the nodes are on."""
        return self.nodes.lab

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
    told = told_to_end()
    try:
        if not 1 <= arguments.nodes <= _MOST_NODES:
            raise BadInput(f"{arguments.nodes} nodes cannot join.", f"Choose 1 to {_MOST_NODES}.")
        names = [f"node-{number}" for number in range(1, arguments.nodes + 1)]
        joined = JoinedNodes(store_of(arguments.kubeconfig), names, network_named(arguments.network))
    except LabError as error:
        sys.exit(str(error))
    with joined:
        print(f"Joined: {', '.join(names)}. {_NO_PORT}", flush=True)
        joined.nodes.stay(told)


if __name__ == "__main__":
    main()
