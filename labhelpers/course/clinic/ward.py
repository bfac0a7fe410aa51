"""Wards: the healthy network that a fault is put into, and what is asked of it before it may go home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import permutations
from socket import socket
from typing import Any, Protocol

from labhelpers.conformance import Row
from labhelpers.conformance.across import across_nodes
from labhelpers.conformance.network import network_model
from labhelpers.conformance.row import first_three
from labhelpers.course.clinic.cluster_ward import cluster_ward
from labhelpers.course.clinic.fault import Fault
from labhelpers.errors import NotFound
from labhelpers.lab import Lab, Namespace, Pod, checkpoint
from labhelpers.linux.records import Rows
from labhelpers.networks import wireguard
from labhelpers.networks.route import Bgp, Carrier, Vxlan, WireGuard
from labhelpers.trace import Walk, walk

__all__ = ["NEEDS", "WARDS", "LabWard", "Ward"]

_PORT = 8080
# seconds
_PATIENCE = 0.5  # an answer inside one machine takes less than a millisecond
_LONGEST = 20


class Ward(Protocol):
    """A network that was made for a case."""

    @property
    def gives(self) -> Mapping[str, Any]:
        """What the learner has, as ``name = value`` of the notebook."""
        ...

    @property
    def about(self) -> str:
        """How it is when it is healthy."""
        ...

    @property
    def patience(self) -> float:
        """Seconds that its daemons need after a change until everything works."""
        ...

    @property
    def exists(self) -> bool:
        """Is it still there, and not another one in its place?"""
        ...

    def place(self, name: str) -> str:
        """The place that a learner means: a namespace, a node, or an object as ``namespace/name``.

        Raises:
            NotFound: there is no such place; the message names those that are there.
        """
        ...

    def run(self, place: str, command: str, *, check: bool = False) -> str:
        """Run a shell command in a place and return what it wrote.

        Raises:
            NotFound: there is no such place.
            TimedOut: it did not end.
            LabError: with ``check``, it failed.
        """
        ...

    def requirements(self) -> Rows[Row]:
        """Try everything that a healthy one does, with packets."""
        ...

    def tried(self) -> Iterator[Row]:
        """The same one after another, the quick ones first: who only wants to know whether it is well can stop."""
        ...

    def show(self, fault: Fault) -> Walk | None:
        """How the packet fares that the fault is about; nothing if there is none.

        Raises:
            LabError: it could not be sent.
        """
        ...


@dataclass(frozen=True)
class LabWard:
    """Two nodes with two pods each; every pod has a web server on port 8080."""

    lab: Lab
    about: str
    patience: float = 0.0

    @property
    def gives(self) -> Mapping[str, Any]:
        """See ``Ward``."""
        pods = {pod.name.replace("-", "_"): pod for pod in self.lab.pods}
        nodes = {node.name.replace("-", "_"): node for node in self.lab.nodes}
        return {"lab": self.lab, **nodes, **pods}

    @property
    def exists(self) -> bool:
        """See ``Ward``."""
        return bool(self.lab.nodes)

    def run(self, place: str, command: str, *, check: bool = False) -> str:
        """See ``Ward``."""
        return str(self.lab[place].run(["sh", "-c", command], check=check, timeout=_LONGEST))

    def place(self, name: str) -> str:
        """See ``Ward``.  ``pod_a`` is pod-a's name in the notebook, and node-1/cni0 one of node-1's interfaces."""
        there = ["underlay", *(one.name for one in (*self.lab.nodes, *self.lab.pods))]
        named = name.split("/")[0].replace("_", "-")
        if named not in there:
            raise NotFound(f"There is no namespace {name!r} in this lab.", f"There are: {', '.join(there)}.")
        return named

    def requirements(self) -> Rows[Row]:
        """See ``Ward``.  What takes long where packets vanish is tried last, and only if all else is well."""
        rows = {row.id: row for row in (*network_model(self.lab), self._pages())}
        if all(row.ok for row in rows.values()):
            rows |= {row.id: row for row in across_nodes(self.lab)}
        return Rows(list(rows.values()), "what a healthy network does")

    def tried(self) -> Iterator[Row]:
        """See ``Ward``."""
        yield self._pages()
        yield from network_model(self.lab)
        yield from across_nodes(self.lab)

    def _pages(self) -> Row:
        """Does every pod get every other's page?"""
        pairs = list(permutations(self.lab.pods, 2))
        with ThreadPoolExecutor(len(pairs)) as pool:
            came = list(pool.map(lambda pair: _page(*pair), pairs))
        failed = [f"{a.name} → {b.name}" for (a, b), page in zip(pairs, came, strict=True) if not page]
        seen = f"every pod gets every other's page on port {_PORT}"
        return Row(
            "pages", "the course", not failed, first_three(failed, ", ") or seen, "That is what the pods are there for."
        )

    def show(self, fault: Fault) -> Walk | None:
        """See ``Ward``.  The target's address is the one it ought to have."""
        if not fault.between:
            return None
        source, target = fault.between
        return walk(
            self.lab[source], self.lab[target], anywhere=True,
            tcp=fault.tcp, udp=fault.udp, size=fault.size, timeout=_PATIENCE,
        )  # fmt: skip


def _page(source: Namespace, target: Pod) -> bool:
    """Does the target's web server answer?  The socket stays in its namespace; nobody has to wait there for it."""
    try:
        with closing(source._kernel.visit(socket)) as made, closing(HTTPConnection(target.address)) as connection:
            made.settimeout(_PATIENCE)
            made.connect((target.address, _PORT))
            connection.sock = made
            connection.request("HEAD", "/")
            connection.getresponse()
            return True
    except (OSError, HTTPException):
        return False


def _serve(lab: Lab) -> None:
    for pod in lab.pods:
        pod.run(["busybox", "httpd", "-h", "/", "-p", str(_PORT)], check=True)


def _routes() -> Ward:
    lab = checkpoint("03")
    _serve(lab)
    return LabWard(lab, "Two nodes with two pods each, and routes between the nodes.")


def _carried(kind: type[Carrier], how: str, patience: float = 0.0) -> Ward:
    lab = checkpoint("06")
    carrier = kind(lab)
    carrier.fit_pods()
    carrier.wait()
    _serve(lab)
    return LabWard(lab, f"Two nodes with two pods each; {how}.", patience)


#: how each ward is built; what a lab or a cluster made before is removed first
WARDS: dict[str, Callable[[], Ward]] = {
    "routes": _routes,
    "vxlan": lambda: _carried(Vxlan, "between the nodes packets travel in VXLAN (flannel.1)"),
    "bgp": lambda: _carried(Bgp, "the nodes tell each other their routes by BGP (BIRD)", patience=12.0),
    "wireguard": lambda: _carried(WireGuard, "between the nodes packets are encrypted by WireGuard", patience=8.0),
    "shop": cluster_ward,
}

#: raises LabError where a machine that can run chapter 11 cannot build this ward; changes nothing
NEEDS: dict[str, Callable[[], None]] = {"wireguard": wireguard.require}
