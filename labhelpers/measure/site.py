"""``Site``: a network on two fresh nodes, with three pods; or a bare cable between two.  It goes at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from labhelpers.errors import LabError
from labhelpers.lab import Lab, Namespace, Node
from labhelpers.measure.entrant import Entrant
from labhelpers.networks import Installed, Network

__all__ = ["End", "Site", "site", "two_nodes"]

_PATIENCE = 60.0  # seconds
_ANSWER = 0.25  # seconds for a ping, before another is sent


@dataclass(frozen=True)
class End:
    """A pod, or what stands for one."""

    where: Namespace
    address: str


@dataclass(frozen=True)
class Site:
    """Where something is measured: two pods of one node, and one of another."""

    near: End
    beside: End
    far: End
    nodes: tuple[Node, ...] = ()
    installed: Installed | None = None
    #: seconds from installing it until each node had its ways; 0 for a cable
    ready: float = 0.0
    #: seconds from ADD of ``far`` until it had answered ``near``
    pod: float = 0.0

    @property
    def stand_in(self) -> str:
        """What carries packets here in place of the product, if anything does."""
        carrier = self.installed.carrier if self.installed else None
        return carrier.way.rpartition(": ")[2] if carrier and "user space" in carrier.way else ""


@contextmanager
def site(entrant: Entrant) -> Iterator[Site]:
    """The site, for the block.  What the lab made before is removed.

    Raises:
        LabError: it cannot be made here; nothing is left of it.
    """
    if entrant.network is None:
        with _cable() as made:
            yield made
        return
    with two_nodes(entrant.network) as (installed, ready):
        first, second = installed.nodes
        near, beside = (_end(installed, first, name) for name in ("near", "beside"))
        start = time.perf_counter()
        far = _end(installed, second, "far")
        _until_answered(near, far)
        pod = time.perf_counter() - start
        _until_answered(near, beside)
        yield Site(near, beside, far, installed.nodes, installed, ready, pod)


@contextmanager
def two_nodes(network: Network) -> Iterator[tuple[Installed, float]]:
    """The network on two nodes of a lab that is empty otherwise, and how many seconds that took."""
    lab = Lab()
    try:
        for name in ("node-1", "node-2"):
            lab.node(name)
        start = time.perf_counter()
        with network.install(lab) as installed:
            installed.wait(_PATIENCE)
            yield installed, time.perf_counter() - start
    finally:
        lab.reset()


@contextmanager
def _cable() -> Iterator[Site]:
    lab = Lab()
    try:
        ends = []
        near, far = lab.namespace("near"), lab.namespace("far")
        lab.veth((near, "eth0"), (far, "eth0"))
        for number, one in enumerate((near, far), 10):
            one.add_address("eth0", f"10.0.0.{number}/24")
            one.up("lo", "eth0")
            ends.append(End(one, f"10.0.0.{number}"))
        _until_answered(*ends)
        yield Site(ends[0], ends[1], ends[1])
    finally:
        lab.reset()


def _end(installed: Installed, node: Node, name: str) -> End:
    pod = installed.pod(node, name)
    return End(pod, pod.address)


def _until_answered(a: End, b: End) -> None:
    end = time.monotonic() + _PATIENCE
    while not a.where.ping(b.address, timeout=_ANSWER).ok:
        if time.monotonic() > end:
            raise LabError(
                f"{a.where.name} does not reach {b.where.name}: nothing can be measured.", "walk() says where it ends."
            )
