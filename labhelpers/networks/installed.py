"""A network on a lab's nodes, without a cluster: pods are made by the CNI runtime, by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from labhelpers.cni import CniPod, Runtime
from labhelpers.cni import pod as cni_pods
from labhelpers.errors import AlreadyExists, LabError, NotFound, Vanished
from labhelpers.lab import Lab, Node
from labhelpers.lab.journal import journal
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import Rows
from labhelpers.networks.nat_outgoing import NatOutgoing
from labhelpers.networks.policy import Applied, Enforces, explain
from labhelpers.networks.route.carrier import Carrier, Leg

if TYPE_CHECKING:
    from labhelpers.networks.network import Network
    from labhelpers.networks.policy.world import Objects

__all__ = ["Installed"]

_CONFIGURATIONS = "/etc/cni/net.d"


class Installed:
    """What ``Network.install`` returns.  Also a context manager: at the end of the block everything is undone.

    The pods are made with ``pod``, and removed with the network.
    """

    def __init__(self, network: Network, lab: Lab) -> None:
        if not isinstance(lab, Lab) or not lab.nodes:
            raise NotFound(
                "A network is installed on a lab's nodes, and there are none.", "Make one: lab.node('node-1')."
            )
        self.network = network
        self._nodes = lab.nodes
        self.carrier: Carrier | None = None
        self._enforcers: dict[str, Enforces] = {}
        self._objects: Objects = {}
        for node in self._nodes:
            _require_unconfigured(node)
        with held(), journal.all_or_nothing(), ExitStack() as undo:
            if len(self._nodes) > 1:
                self.carrier = undo.enter_context(network.route(lab))
            for node in self._nodes:
                undo.callback(self._take_back, node)
                enforcer = network.enforcer(node, lambda node=node: self._others(node))  # type: ignore[misc]
                if enforcer:
                    self._enforcers[node.name] = enforcer
                if network.nat_outgoing:
                    NatOutgoing(node).ensure(one.pod_cidr for one in self._nodes)
                network.configure(node)
            self._pods_changed()
            self._undo = undo.pop_all()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes it is on, of those that exist."""
        return tuple(node for node in self._nodes if node.exists)

    @property
    def pods(self) -> tuple[CniPod, ...]:
        """The pods that were attached to it, node by node, in the order of their names.  Changes nothing."""
        return tuple(
            cni_pods.find(node, name)
            for node in self.nodes
            for name in sorted(name for name, _ in Runtime(node, observe=False).attachments())
        )

    def pod(self, node: Node, name: str) -> CniPod:
        """Make a pod on a node and attach it: CNI's ADD, as a runtime calls it.

        Raises:
            CniFailed, AlreadyExists, BadInput: nothing was made.

        Shell, on the node: ``ip netns add cni-NAME``, and the plugin with ``CNI_COMMAND=ADD``.
        """
        runtime = Runtime(node, observe=False)
        runtime.add(name)
        self._pods_changed()
        return runtime[name]

    def delete(self, pod: CniPod) -> None:
        """Detach a pod and remove it: CNI's DEL.  Shell, on the node: the plugin with ``CNI_COMMAND=DEL``."""
        Runtime(pod.node, observe=False).delete(pod.name)
        self._pods_changed()

    def apply(self, objects: Objects) -> dict[str, Applied]:
        """Enforce policies on every node, each in one transaction.

        Args:
            objects: the API's ``pods``, ``namespaces`` and ``networkpolicies``.

        Returns:
            what was done, by node; ``{}`` for a network that enforces none: there a policy has no effect.

        Raises:
            BadInput: a policy cannot be read.

        Shell: ``nft -f -`` on each node.
        """
        self._objects = objects
        return {node.name: self._enforcers[node.name].apply(objects) for node in self.nodes if self._enforcers}

    @property
    def enforcers(self) -> Mapping[str, Enforces]:
        """What enforces policies, by the name of its node; ``{}`` where nobody does.  Changes nothing."""
        return dict(self._enforcers)

    def refused_by(self, source: str, destination: str, port: int, protocol: str) -> tuple[str, ...]:
        """The policies that refuse a connection, of those applied last, and where they are enforced.  Changes nothing.

        Args:
            source, destination: addresses.
        """
        if not self._enforcers or not self._objects:
            return ()
        return explain(self._objects, source, destination, port, protocol).refused_by

    def status(self) -> Rows[Leg]:
        """How each node reaches the others' pods, asked now.  Changes nothing."""
        return self.carrier.status() if self.carrier else Rows([], f"{self.network.name}: there is one node")

    def wait(self, timeout: float = 60.0) -> float:
        """Wait until every node has its ways to the others' pods; see ``Carrier.wait``.  Changes nothing."""
        return self.carrier.wait(timeout) if self.carrier else 0.0

    def clean(self) -> None:
        """Remove its pods, and undo everything on every node.  Shell: see ``lab.commands()``."""
        with held():
            self._undo.close()

    def _others(self, node: Node) -> list[Node]:
        return [one for one in self.nodes if one is not node]

    def _pods_changed(self) -> None:
        """What an agent would see by itself."""
        if self.network.knows_pods:
            self.apply(self._objects)

    def _take_back(self, node: Node) -> None:
        """A node that is gone has taken all with it."""
        with suppress(Vanished):
            runtime = Runtime(node, observe=False)
            for name in cni_pods.listed(node):
                with suppress(LabError):
                    runtime.delete(name)
            with suppress(FileNotFoundError):
                os.unlink(f"{node.root}{_CONFIGURATIONS}/{self.network.file}")
            if node.name in self._enforcers:
                self._enforcers[node.name].clean()
            NatOutgoing(node).clean()
            self.network.attach.clean(node)

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, *_: object) -> None:
        self.clean()

    def __repr__(self) -> str:
        return f"<{self.network!r} on {', '.join(node.name for node in self.nodes) or 'no node'}>"


def _require_unconfigured(node: Node) -> None:
    try:
        there = Runtime(node, observe=False).network.name
    except NotFound:
        return
    raise AlreadyExists(
        f"{node.name} has a network configuration already: {there}.",
        "One network at a time: call the other's clean(), or remove its file from /etc/cni/net.d.",
    )
