"""``LabNodes``: nodes on the lab with a kubelet each, whoever's the API server is."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress

from labhelpers.cluster.agent import door
from labhelpers.cluster.images import Shelf
from labhelpers.cluster.kubelet import Kubelet
from labhelpers.cluster.pod_network import PodNetwork
from labhelpers.errors import LabError
from labhelpers.lab import Lab, underlay
from labhelpers.linux.container.shim import Shim
from labhelpers.networks.modes import or_another_mode
from labhelpers.networks.route.carrier import Carrier
from labhelpers.store import Store

__all__ = ["LabNodes", "told_to_end"]

_OFTEN = 1.0  # seconds between looks whether there still is a node


class LabNodes:
    """The nodes of one cluster, the shim that keeps their containers, and how their pods are connected.

    Args:
        store: the API server that the kubelets belong to.
        network: how pods are connected; none leaves the nodes not ready.

    Raises:
        LabError: nothing is left of the attempt.
    """

    def __init__(self, store: Store, network: PodNetwork | None) -> None:
        self._store, self._network = store, network
        self._carrier: Carrier | None = None
        self.kubelets: dict[str, Kubelet] = {}
        with ExitStack() as undo:
            self._shim = undo.enter_context(Shim())  # a process: it starts while we go on
            self.lab = Lab.beside()
            if not underlay.exists():
                undo.callback(underlay.remove_if_empty)
            undo.callback(self._remove)
            self._shelf = Shelf()
            self._undo = undo.pop_all()

    def add(self, name: str, *, labels: Mapping[str, str] | None = None) -> Kubelet:
        """Make a node, connect it with the others, and start its kubelet."""
        node = self.lab.node(name)
        if self._network is not None and self._network.agent is not None:
            door.open_for(node)
            with or_another_mode(self._network):
                self._network.route.prepare(node)
        elif self._network is not None:
            self._network.configure(node)
            if self._carrier is not None:
                self._carrier.node_added(node)
            else:
                self._carrier = self._network.connect(self.lab)
        kubelet = self.kubelets[name] = Kubelet(node, self._store, self._shim, self._shelf, labels=labels)
        kubelet.start()
        return kubelet

    def stop_kubelets(self) -> None:
        """End the kubelets; pods and nodes stay until ``close``."""
        for kubelet in self.kubelets.values():
            kubelet.stop()

    def _remove(self) -> None:
        self._shim.close()  # containers keep namespaces alive
        for node in self.lab.nodes:
            with suppress(LabError):  # somebody else has removed it
                node.delete()

    def stay(self, told: threading.Event) -> None:
        """Return when the event is set, or when none of the nodes is there any more."""
        while not told.wait(_OFTEN) and self.lab.nodes:
            pass

    def close(self) -> None:
        """Remove containers and nodes; the kubelets have ended before."""
        self._undo.close()

    def __enter__(self) -> LabNodes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def told_to_end() -> threading.Event:
    """Set from now on when the process is told to end: SIGTERM, SIGINT, SIGHUP.  None of them ends it by itself."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: told.set())
    return told
