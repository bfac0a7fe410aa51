"""Wards: the healthy network that a fault is put into, and what is asked of it before it may go home."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from itertools import permutations
from typing import Any, Protocol

from labhelpers.conformance import Row
from labhelpers.conformance.across import across_nodes
from labhelpers.conformance.network import network_model
from labhelpers.conformance.row import first_three
from labhelpers.course.clinic.cluster_ward import cluster_ward
from labhelpers.errors import LabError, NotFound
from labhelpers.lab import Lab, Namespace, Pod, checkpoint
from labhelpers.linux.records import Rows
from labhelpers.networks.route import Bgp, Carrier, Vxlan, WireGuard
from labhelpers.trace import walk

__all__ = ["WARDS", "LabWard", "Ward"]

_PORT = 8080
_PATIENCE = 0.5  # seconds; an answer inside one machine takes less than a millisecond


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
    def exists(self) -> bool:
        """Is it still there, and not another one in its place?"""
        ...

    def run(self, place: str, command: str, *, check: bool = False) -> str:
        """Run a shell command in a place and return what it wrote.

        Raises:
            NotFound: there is no such place.
            LabError: with ``check``, it failed.
        """
        ...

    def requirements(self) -> Rows[Row]:
        """Try everything that a healthy one does, with packets."""
        ...

    def show(self, between: tuple[str, str]) -> Any:
        """A picture of how a packet fares between two places."""
        ...


@dataclass(frozen=True)
class LabWard:
    """Two nodes with two pods each; every pod has a web server on port 8080."""

    lab: Lab
    about: str

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
        return str(self._place(place).run(["sh", "-c", command], check=check, timeout=20))

    def _place(self, name: str) -> Namespace:
        try:
            return self.lab[name]
        except LabError:
            raise NotFound(f"There is no namespace {name!r} in this lab.", "`ip netns` lists them.") from None

    def requirements(self) -> Rows[Row]:
        """See ``Ward``.  What takes long where packets vanish is tried last, and only if all else is well."""
        rows = {row.id: row for row in (*network_model(self.lab), self.pages())}
        if all(row.ok for row in rows.values()):
            rows |= {row.id: row for row in across_nodes(self.lab)}
        return Rows(list(rows.values()), "what a healthy network does")

    def pages(self) -> Row:
        """Does every pod get every other's page?"""
        pairs = list(permutations(self.lab.pods, 2))
        with ThreadPoolExecutor(len(pairs)) as pool:
            came = list(pool.map(lambda pair: _page(*pair), pairs))
        failed = [f"{a.name} → {b.name}" for (a, b), page in zip(pairs, came, strict=True) if not page]
        seen = f"every pod gets every other's page on port {_PORT}"
        return Row(
            "pages", "the course", not failed, first_three(failed, ", ") or seen, "That is what the pods are there for."
        )

    def show(self, between: tuple[str, str]) -> Any:
        """See ``Ward``."""
        source, target = between
        return walk(self._place(source), self._place(target), timeout=_PATIENCE)


def _page(source: Namespace, target: Pod) -> bool:
    """Does the target's web server answer?"""

    def get() -> bool:
        with closing(HTTPConnection(target.address, _PORT, timeout=_PATIENCE)) as connection:
            connection.request("HEAD", "/")
            connection.getresponse()
            return True

    try:
        return source._kernel.visit(get)
    except (OSError, HTTPException):
        return False


def _serve(lab: Lab) -> None:
    for pod in lab.pods:
        pod.run(["busybox", "httpd", "-h", "/", "-p", str(_PORT)], check=True)


def _routes() -> Ward:
    lab = checkpoint("03")
    _serve(lab)
    return LabWard(lab, "Two nodes with two pods each, and routes between the nodes.")


def _carried(kind: type[Carrier], how: str) -> Ward:
    lab = checkpoint("06")
    carrier = kind(lab)
    carrier.fit_pods()
    carrier.wait()
    _serve(lab)
    return LabWard(lab, f"Two nodes with two pods each; {how}.")


#: how each ward is built; what a lab or a cluster made before is removed first
WARDS: dict[str, Callable[[], Ward]] = {
    "routes": _routes,
    "vxlan": lambda: _carried(Vxlan, "between the nodes packets travel in VXLAN (flannel.1)"),
    "bgp": lambda: _carried(Bgp, "the nodes tell each other their routes by BGP (BIRD)"),
    "wireguard": lambda: _carried(WireGuard, "between the nodes packets are encrypted by WireGuard"),
    "shop": cluster_ward,
}
