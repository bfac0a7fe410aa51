"""What all carriers share: whom they serve, all or nothing, and the way back.

A carrier brings packets between the pods of different nodes.  Each one says in four methods what it does on a node:
``_join`` (before it knows anybody), ``_learn`` and ``_forget`` (the way to other nodes' pods), ``_leave``.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import ClassVar, TypeVar

from labhelpers.errors import AlreadyExists, BadInput, TimedOut, Vanished
from labhelpers.lab import Lab, Node
from labhelpers.lab.journal import journal
from labhelpers.linux import link, names, process
from labhelpers.linux.interrupt import held
from labhelpers.linux.records import Rows
from labhelpers.networks import bird
from labhelpers.networks.route.other import Other

__all__ = ["Carrier", "Leg"]

_PATIENCE, _OFTEN = 60.0, 0.01  # seconds
_ETHERNET = 1500  # bytes, the underlay's MTU where nobody can be asked
Made = TypeVar("Made", bound="Carrier")


@dataclass(frozen=True, slots=True)
class Leg:
    """The way from one node to another node's pods, as the kernel or the daemon says."""

    node: str
    peer: str
    #: the peer's pods
    block: str
    #: everything is there that the carrier needs
    ok: bool
    #: by what it goes: a route, a neighbour, an fdb entry, a session …
    by: str
    #: what is not there, or wrong
    missing: str = ""


class Carrier(ABC):
    """Programs every node of a lab, so that packets get from each node to the other nodes' pods.

    What it did is in the kernel (or in a daemon's configuration) and nowhere else.  It is also a context manager:
    at the end of the block everything is undone.

    Args:
        lab: a lab of two nodes or more.
        nodes: these nodes only.

    Raises:
        BadInput: fewer than two nodes, no list, a node given twice or of another lab, pod CIDRs that overlap.
        AlreadyExists: something carries packets between these nodes already.
        LabError: nothing is left of the attempt.

    Shell: see ``lab.commands()``.
    """

    #: as people call it
    name: ClassVar[str]
    #: bytes that each packet grows by on the underlay
    overhead: ClassVar[int]
    #: the interface by which packets for other nodes' pods leave a node
    device: ClassVar[str]
    #: what it needs that a machine may lack: programs, modules of the kernel
    needs: ClassVar[frozenset[str]] = frozenset()
    #: one sentence: which of its ways it took
    way: str

    def __init__(self, lab: Lab, *, nodes: Sequence[Node] | None = None) -> None:
        if not isinstance(lab, Lab):
            raise BadInput(f"{lab!r} is no lab.", "Write checkpoint('06'), which makes one.")
        self._lab = lab
        #: whom it was told of; some may have been killed since
        self._members: list[Node] = []
        wanted = list(lab.nodes) if nodes is None else _listed(nodes)
        if len(wanted) < 2:
            raise BadInput(
                f"A carrier brings packets from node to node, and here {'is one node' if wanted else 'are no nodes'}.",
                "Make two first: lab.node('node-1'), lab.node('node-2').",
            )
        for position, node in enumerate(wanted):
            self._require_ours(node)
            if node in wanted[:position]:
                raise BadInput(f"{node.name} is named twice.", "Name each node once.")
        self._require_no_overlap(wanted)
        with held() as interrupt, journal.all_or_nothing(), ExitStack() as undo:
            for node in wanted:
                self._require_free(node, _others(node, wanted))
                self._require_no_bird(node, _others(node, wanted))
            for node in wanted:
                interrupt.check()
                undo.callback(self._take_back, node, _others(node, wanted))
                self._join(node)
            for node in wanted:
                interrupt.check()
                self._learn(node, _others(node, wanted))
            interrupt.check()
            undo.pop_all()
            self._members = wanted

    # --- what a carrier is ------------------------------------------------------------------------------------------

    @abstractmethod
    def _join(self, node: Node) -> None:
        """Give the node what it needs before it can know others: a device, a daemon."""

    @abstractmethod
    def _learn(self, node: Node, peers: Sequence[Other]) -> None:
        """Teach the node the ways to the pods of these peers that it does not know yet."""

    @abstractmethod
    def _forget(self, node: Node, peers: Sequence[Other]) -> None:
        """Make the node forget those of these peers it knows.  A peer may be gone: only its addresses are asked."""

    @abstractmethod
    def _forget_all_but(self, node: Node, peers: Sequence[Other]) -> None:
        """Make the node forget whom it knows and who is none of these peers; asked of the kernel or the daemon."""

    @abstractmethod
    def _leave(self, node: Node, peers: Sequence[Other]) -> None:
        """Undo what ``_join`` and ``_learn`` did on the node, however much of it is there."""

    @abstractmethod
    def _legs(self, node: Node, peers: Sequence[Other]) -> Iterable[Leg]:
        """Ask the kernel (or the daemon) of a node how it reaches these peers' pods."""

    def _has_joined(self, node: Node) -> bool:
        """Is what ``_join`` gave the node still there?"""
        return any(one.name == self.device for one in node.links())

    @classmethod
    def _is_set_up(cls, node: Node) -> bool:
        """Is the device not only there, but up and with an address?"""
        return any(one.name == cls.device and one.up and bool(one.addresses) for one in node.links())

    @classmethod
    def prepare(cls, node: Node) -> None:
        """Give a node what a module of the kernel would, where the kernel lacks it: the device, and who serves it.

        Only for agents, which come and go: such a program is to live as long as the node.  Most need none.
        """
        del node

    @classmethod
    def for_agent(cls: type[Made]) -> Made:
        """A carrier that serves no lab, for an agent of one node, which calls ``reconcile``."""
        self = cls.__new__(cls)
        self._members = []
        return self

    def reconcile(self, node: Node, peers: Sequence[Other]) -> None:
        """Make one node's part as it must be for exactly these peers: what is missing is put there, what is of no
        peer goes.  Nothing is remembered from the last time, and what is right is not touched.

        Raises:
            LabError: called again, it goes on.

        Shell: see the carrier.
        """
        if not self._has_joined(node):
            self._join(node)
        self._learn(node, peers)
        self._forget_all_but(node, peers)

    def legs(self, node: Node, peers: Sequence[Other]) -> list[Leg]:
        """How one node reaches these peers' pods, asked of the kernel and its daemon now.  Changes nothing."""
        return list(self._legs(node, peers))

    # --- nodes come and go ------------------------------------------------------------------------------------------

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes it serves, of those that exist.  Changes nothing."""
        return tuple(node for node in self._members if node.exists)

    def node_added(self, node: Node) -> None:
        """Serve one more node: the others learn of it, it learns of the others.

        For a node that is served already, what is missing is put back.

        Raises:
            BadInput, AlreadyExists, LabError: nothing was changed.

        Shell: see ``lab.commands()``.
        """
        self._require_ours(node)
        others = _others(node, self.nodes)
        is_new = node not in self._members
        if is_new:
            self._require_no_overlap([*others, node])
        with held() as interrupt, journal.all_or_nothing(), ExitStack() as undo:
            if is_new:
                self._require_free(node, others)
                self._require_no_bird(node, others)
                for other in others:
                    self._require_free(other, [node], has_device=True)
            if is_new or not self._has_joined(node):
                undo.callback(self._take_back, node, others)
                self._join(node)
            self._learn(node, others)
            for other in others:
                interrupt.check()
                if is_new:
                    undo.callback(self._forget, other, [node])
                self._learn(other, [node])
            interrupt.check()
            undo.pop_all()
            if is_new:
                self._members.append(node)

    def node_removed(self, node: Node) -> None:
        """Serve a node no longer, also one that was deleted or killed: the others forget it.

        Shell: see ``lab.commands()``.
        """
        if not isinstance(node, Node):
            raise BadInput(f"{node!r} is no node.", "Give the node that lab.node(…) returned.")
        with held():
            for other in _others(node, self.nodes):
                self._forget(other, [node])
            if node in self._members:
                self._take_back(node, _others(node, self._members))
                self._members.remove(node)

    def clean(self) -> None:
        """Undo everything on every node.  Shell: see ``lab.commands()``."""
        with held():
            for node in self._members:
                self._take_back(node, _others(node, self._members))
            self._members.clear()

    def __enter__(self: Made) -> Made:
        return self

    def __exit__(self, *_: object) -> None:
        self.clean()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {', '.join(node.name for node in self.nodes) or 'of no node'}: {self.way}>"

    def _take_back(self, node: Node, peers: Sequence[Other]) -> None:
        """``_leave``, but a node that is gone has taken all with it."""
        if node.exists:
            with suppress(Vanished):
                self._leave(node, peers)

    # --- what the kernel says ---------------------------------------------------------------------------------------

    def status(self) -> Rows[Leg]:
        """How each node reaches the others' pods, asked of the kernel and the daemons now.  Changes nothing."""
        legs: list[Leg] = []
        nodes = self.nodes
        for node in nodes:
            with suppress(Vanished):
                legs += self.legs(node, _others(node, nodes))
        return Rows(legs, f"{self.name}: from node to node")

    def wait(self, timeout: float = _PATIENCE) -> float:
        """Wait until every node has its ways to the others' pods.  Changes nothing.

        Most carriers have them as soon as they are made; one that lets daemons talk has them a little later.

        Args:
            timeout: seconds.

        Returns:
            seconds since the call.

        Raises:
            TimedOut: naming a way that is missing.
        """

        def missing() -> str:
            return next((f"from {leg.node} to {leg.peer}: {leg.missing}" for leg in self.status() if not leg.ok), "")

        return self._until_none(missing, timeout)

    def _until_none(self, missing: Callable[[], str], timeout: float) -> float:
        begin = time.monotonic()
        while what := missing():
            if time.monotonic() - begin > timeout:
                raise TimedOut(
                    f"{self.name} is not there after {timeout:g} s; {what}.",
                    "status() lists what is there and what not.",
                )
            time.sleep(_OFTEN)
        return time.monotonic() - begin

    @property
    def pod_mtu(self) -> int:
        """The largest packet in bytes that a pod can send to another node's and that still fits: read from eth0."""
        sizes = [node.links()["eth0"].mtu for node in self.nodes]
        return min(sizes, default=_ETHERNET) - self.overhead

    def fit_pods(self) -> None:
        """Set the MTU of every pod, both ends of its cable, to ``pod_mtu``.  It stays so after ``clean``.

        Shell: ``ip -n POD link set eth0 mtu BYTES``, ``ip -n NODE link set veth-POD mtu BYTES``.
        """
        size = names.mtu(self.pod_mtu)
        with held():
            for node in self.nodes:
                pods = node.existing_pods
                with node.changes() as changes:
                    for pod in pods:
                        link.set_mtu(changes, pod.host_link, size)
                for pod in pods:
                    pod.set_mtu("eth0", size)

    # --- what cannot work -------------------------------------------------------------------------------------------

    def _require_ours(self, node: Node) -> None:
        if not isinstance(node, Node):
            raise BadInput(f"{node!r} is no node.", "Give the node that lab.node(…) returned.")
        if not any(node is one for one in self._lab.nodes):
            raise BadInput(
                f"{node.name} is not a node of this lab, or is gone.",
                "Take one of lab.nodes, or make it with lab.node(…).",
            )

    @staticmethod
    def _require_no_overlap(nodes: Sequence[Node]) -> None:
        blocks = [(node.name, IPv4Network(node.pod_cidr)) for node in nodes]
        for position, (name, block) in enumerate(blocks):
            for other, taken in blocks[:position]:
                if block.overlaps(taken):
                    raise BadInput(
                        f"The pods' blocks of {other} ({taken}) and {name} ({block}) overlap: "
                        "an address in both would have two ways.",
                        "Give each node a pod_cidr of its own.",
                    )

    def _require_free(self, node: Node, peers: Sequence[Other], *, has_device: bool = False) -> None:
        """Nobody else carries packets from this node to these peers: two carriers would take each other's routes."""
        if not has_device and self.device != "eth0" and any(one.name == self.device for one in node.links()):
            raise AlreadyExists(
                f"{node.name} has an interface {self.device} already.",
                "Is there another carrier? Call its clean(), or delete the interface.",
            )
        blocks = {peer.pod_cidr: peer for peer in peers}
        inside = [IPv4Network(block) for block in blocks]
        for route in node.routes():
            if ":" in route.destination or route.destination == "default":
                continue
            target = IPv4Network(route.destination)
            for block in inside:
                if target.subnet_of(block):
                    table = "" if route.table == "main" else f" table {route.table}"
                    raise AlreadyExists(
                        f"{node.name} has a route to the pods of {blocks[str(block)].name} already: "
                        f"{route.destination} via {route.via or route.device}.",
                        "One carrier at a time: call the other's clean(), or take the route away: "
                        f"`ip -n {node.name} route delete {route.destination}{table}`.",
                    )

    @staticmethod
    def _require_no_bird(node: Node, peers: Sequence[Other]) -> None:
        """A BIRD that knows these peers writes the routes to their pods as soon as it has heard of them."""
        told = bird.peers(node)
        if any(peer.address in told for peer in peers) and process.find(node.inode, "bird"):
            raise AlreadyExists(
                f"A BIRD runs on {node.name} already, and talks with other nodes about their pods.",
                "One carrier at a time: call the other's clean(), or end it: `birdc down` on the node.",
            )


def _listed(nodes: object) -> list[Node]:
    if not isinstance(nodes, Iterable) or isinstance(nodes, str):
        raise BadInput(f"{nodes!r} is no list of nodes.", "Write nodes=[node_1, node_2], or leave it out for all.")
    return list(nodes)


def _others(node: Node, nodes: Iterable[Node]) -> list[Node]:
    return [one for one in nodes if one is not node]
