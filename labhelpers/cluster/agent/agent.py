"""``NodeAgent``: watches the API, and keeps one node's routes, rules and CNI configuration as they must be.

Level-triggered: every change, and every second, it compares what must be with what the kernel says.  It remembers
nothing that it could not find there, so that one that was killed goes on where the last one ended; and what the last
one has put into the kernel carries packets meanwhile.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network
from typing import Any

from labhelpers.cluster.controllers.loop import Key
from labhelpers.errors import LabError
from labhelpers.lab import Node
from labhelpers.networks import Network
from labhelpers.networks.nat_outgoing import NatOutgoing
from labhelpers.networks.route import Known
from labhelpers.store import (
    ENDPOINTS,
    NAMESPACES,
    NETWORKPOLICIES,
    NODES,
    PODS,
    SERVICES,
    Event,
    Object,
    Resource,
    Store,
)

__all__ = ["NodeAgent", "known_nodes", "say"]

_AGAIN = 1.0  # seconds until the kernel is looked at again
_POLICY = {"pods": PODS, "namespaces": NAMESPACES, "networkpolicies": NETWORKPOLICIES}
_SERVICES = {"services": SERVICES, "endpoints": ENDPOINTS}


class NodeAgent:
    """What the agent does, as a controller for a ``Manager``.

    Args:
        node: the agent's own, seen from inside.
    """

    def __init__(self, store: Store, node: Node, network: Network) -> None:
        self._store, self._node, self._network = store, node, network
        self._carrier = network.route.for_agent()
        self._nat = NatOutgoing(node)
        self._enforcer = network.enforcer(node, self._others)
        self._nodes: list[Known] = []
        self._objects: dict[str, Sequence[Object]] = {}
        #: what the enforcer is told, by the plural of its kind
        self._told = ({**_POLICY, **_SERVICES} if network.knows_services else _POLICY) if network.enforces else {}
        self._stale = set(self.watches)
        self._trouble = ""
        #: the nodes to whose pods there was a way when it was last looked at
        self._reached: set[str] = set()
        self._notes: tuple[str, ...] = ()
        #: the plugin's calls come from another thread, and only when there is something to attach pods to
        self._busy, self._answers = threading.Lock(), False
        say(f"this is the course's model of {network.name}'s agent, not the product: {network!r}")
        say(f"node {node.name}, {node.address}, pods {node.pod_cidr}; packets by {self._carrier.name}")
        if network.running:
            say(network.running)

    @property
    def watches(self) -> Sequence[Resource]:
        """See ``Controller``."""
        return NODES, *self._told.values()

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        """See ``Controller``: there is one thing to do, and everything concerns it."""
        if event.type != "BOOKMARK":
            self._stale.add(resource)
            yield ("", "")

    def sync(self, key: Key) -> float:
        """See ``Controller``."""
        stale, self._stale = self._stale, set()
        try:
            self._read(stale)
            self._keep_routes()
            self._keep_policy()
            self._answer_rings()
            self._keep_configuration()
            if self._trouble:
                self._trouble = ""
                say("it works again")
        except LabError as error:
            self._stale |= stale
            if error.what != self._trouble:
                self._trouble = error.what
                say(f"{error.what} {error.to_do}", "WARN")
        except BaseException:
            self._stale |= stale
            raise
        return _AGAIN

    def _read(self, stale: set[Resource]) -> None:
        if NODES in stale:
            before, self._nodes = self._nodes, known_nodes(self._store.list(NODES))
            for one in self._nodes:
                if one not in before and one.name != self._node.name:
                    say(f"node {one.name} ({one.address}) has the pods of {one.pod_cidr}")
            for one in before:
                if one not in self._nodes:
                    say(f"node {one.name} is gone")
        for name, resource in self._told.items():
            if resource in stale:
                self._objects[name] = list(self._store.list(resource))

    def _others(self) -> list[Known]:
        return [one for one in self._nodes if one.name != self._node.name]

    def _keep_routes(self) -> None:
        others = self._others()
        self._tell_of_ways(others)
        self._carrier.reconcile(self._node, others)
        blocks = [one.pod_cidr for one in self._nodes]
        if self._network.nat_outgoing and blocks and self._nat.ensure(blocks):
            say(f"what leaves {', '.join(blocks)} gets the address of this node")

    def _tell_of_ways(self, others: Sequence[Known]) -> None:
        """What was mended the last time, or came by itself, and what somebody else has broken."""
        legs = {leg.peer: leg for leg in self._carrier.legs(self._node, others)}
        reached = {name for name, leg in legs.items() if leg.ok}
        for name in sorted(legs):
            if name in reached and name not in self._reached:
                say(f"the way to the pods of {name} is there: {legs[name].by}")
            elif name in self._reached and name not in reached:
                say(f"the way to the pods of {name} is broken, and is mended: {legs[name].missing} was missing", "WARN")
        self._reached = reached

    def _answer_rings(self) -> None:
        if not self._answers:
            self._network.on_new_pods(self._node, self._keep_policy)
            self._answers = True

    def _keep_policy(self) -> None:
        if self._enforcer is None:
            return
        with self._busy:
            applied = self._enforcer.apply(self._objects)
        if applied.repaired:
            say("the table of policies was changed by somebody else; it is as it was again", "WARN")
        elif applied.changed:
            many = f"lines of nft in {applied.transactions} transactions, as one would be too long for an ordinary user"
            steps = self._network.steps if applied.transactions == 1 else many
            say(f"policies enforced: {applied.commands.count(chr(10)) + 1} {steps}")
        if applied.notes != self._notes:
            self._notes = applied.notes
            for note in applied.notes:
                say(note, "WARN")

    def _keep_configuration(self) -> None:
        """Last: pods are attached as soon as it is there."""
        try:
            with open(f"{self._node.root}/etc/cni/net.d/{self._network.file}"):
                return
        except FileNotFoundError:
            self._network.configure(self._node)
            say(f"/etc/cni/net.d/{self._network.file} written: the node can attach pods")


def known_nodes(nodes: Iterable[Any]) -> list[Known]:
    """The nodes of the API that have an address and a block; one that is not complete yet is left out."""
    found = []
    for one in nodes:
        block = (one.get("spec") or {}).get("podCIDR")
        addresses = (one.get("status") or {}).get("addresses") or ()
        address = next((each["address"] for each in addresses if each["type"] == "InternalIP"), "")
        if block and address:
            found.append(Known(one["metadata"]["name"], address, str(IPv4Network(block))))
    return found


def say(text: str, level: str = "INFO") -> None:
    """One line of the log."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now))
    print(f"{stamp}.{int(now % 1 * 1000):03} [{level}] {text}", file=sys.stdout, flush=True)
