"""The ward for faults of clusters: the shop of chapter 08 with names, and policies that say who may reach whom."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.cluster import Cluster
from labhelpers.conformance import Row
from labhelpers.conformance.policy import truth_table
from labhelpers.conformance.row import first_three
from labhelpers.course.clinic.fault import Fault
from labhelpers.course.kubectl import ask, kubectl
from labhelpers.course.magic import find
from labhelpers.course.pods import is_ready
from labhelpers.course.shop import PODS, apply, new_shop
from labhelpers.errors import LabError, NotFound, TimedOut
from labhelpers.linux import process
from labhelpers.linux.records import Rows
from labhelpers.networks import Calico
from labhelpers.trace import Walk, walk

__all__ = ["ClusterWard", "cluster_ward"]

# seconds
_PATIENCE = 20.0
_OFTEN = 0.2
#: who may open a connection to whom on port 80; within blog everybody, and shop's pods to blog but for web
_INTO_SHOP = {("shop/web", "shop/api"), ("shop/api", "shop/db")}
_DNS = {"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"protocol": "UDP", "port": 53}]}  # fmt: skip


@dataclass(frozen=True)
class ClusterWard:
    """Two nodes; in shop web asks api, and api asks db; in blog is who has no business in shop."""

    cluster: Cluster
    about: str = (
        "A cluster with Calico's model and a DNS. In shop, web may ask api and api may ask db, on port 80. web finds "
        "names. Pods of blog reach neither api nor db."
    )

    #: agents hear of a policy, and the DNS of a pod, a moment later
    patience: float = 4.0

    @property
    def gives(self) -> Mapping[str, Any]:
        """See ``Ward``."""
        return {"cluster": self.cluster}

    @property
    def exists(self) -> bool:
        """See ``Ward``."""
        return bool(self.cluster.nodes)

    def place(self, name: str) -> str:
        """See ``Ward``.  node-2/eth0 is one of node-2's interfaces."""
        first, _, rest = name.partition("/")
        if first in self.cluster.names:
            return first
        spaces = [one["metadata"]["name"] for one in ask("get", "namespaces")["items"]]
        if not rest or first not in spaces:
            raise NotFound(
                f"There is no place {name!r} in this cluster.",
                f"Name a node ({', '.join(self.cluster.names)}), or a thing that kubectl knows as namespace/name, "
                f"such as shop/web. Namespaces are {', '.join(spaces)}.",
            )
        return name

    def run(self, place: str, command: str, *, check: bool = False) -> str:
        """See ``Ward``.  What uses kubectl runs here, in the notebook's own place, and the rest on a node or in a pod.

        A node has no kubectl, and a pod few programs: it is the namespace that is entered, as ``%%ns`` does.
        """
        if place == "kubectl" or re.search(r"\bkubectl\b", command):
            return _here(command, check=check)
        try:
            namespace, pid = find(place)
        except NotFound:  # a policy, say
            return _here(command, check=check)
        done = process.run(namespace, ["sh", "-c", command], pid=pid, timeout=_PATIENCE)
        if check and not done.ok:
            raise LabError(f"`{command}` in {place} failed: {done}", "Run the cell again.")
        return str(done)

    def requirements(self) -> Rows[Row]:
        """See ``Ward``."""
        return Rows(list(self.tried()), "what a healthy cluster does")

    def tried(self) -> Iterator[Row]:
        """See ``Ward``."""
        # who may talk to whom comes after what is asked: a change that opens too much may arrive between the two
        yield from _asked()
        yield self._reached()
        yield _new_pods()

    def _reached(self) -> Row:
        table = truth_table(self.cluster, [("TCP", 80)], pods=PODS)
        wrong = [
            f"{cell.source} → {cell.destination}: {cell.seen}"
            for cell in table.cells
            if (cell.seen == "allowed") is not _may(cell.source, cell.destination)
        ]
        seen = f"{len(table.cells)} connections between pods are as they ought to be"
        return Row("policies", "the course", not wrong, first_three(wrong) or seen, "Who may talk to whom.")

    def show(self, fault: Fault) -> Walk | None:
        """See ``Ward``.  The way is asked as the shop uses it: who may open a connection may not ping."""
        if not fault.between:
            return None
        source, target = fault.between
        if target == "dns":
            target = ask("get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns")["items"][0]["status"]["podIP"]
        return walk(source, target, tcp=None if fault.udp else 80, udp=fault.udp, timeout=0.5, anywhere=True)


def cluster_ward() -> ClusterWard:
    """Build it.

    Raises:
        LabError: see ``new_shop``.
    """
    cluster = new_shop(Calico("vxlan"))
    cluster.enable_dns()
    kubectl("rollout", "status", "-n", "kube-system", "deployment/kube-dns", "--timeout=15s")
    kubectl("expose", "pod", "-n", "shop", "api", "--port=80")
    apply(_policies())
    ward = ClusterWard(cluster)
    end = time.monotonic() + _PATIENCE
    while bad := [row for row in (ward._reached(), *_asked()) if not row.ok]:  # agents hear of policies a moment later
        if time.monotonic() > end:
            raise TimedOut(f"The clinic's cluster is not as it ought to be: {bad[0].seen}.", "Try again.")
        time.sleep(_OFTEN)
    return ward


def _here(command: str, *, check: bool) -> str:
    try:
        done = subprocess.run(
            ["sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE,
            check=False, errors="replace",
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise TimedOut(f"`{command}` did not end within {_PATIENCE:.0f} s.", "Run the cell again.") from None
    if check and done.returncode:
        raise LabError(f"`{command}` failed: {done.stderr.strip()}", "Run the cell again.")
    return (done.stdout + done.stderr).rstrip()


def _may(source: str, destination: str) -> bool:
    if destination.startswith("shop/") and destination != "shop/web":
        return (source, destination) in _INTO_SHOP
    return source != "shop/web" and destination != "shop/web"


def _asked() -> Iterator[Row]:
    """What a user of the shop asks: by address, and by name."""
    address = ask("get", "pod", "-n", "shop", "api")["status"]["podIP"]
    for rule, host in (("page by address", address), ("page by name", "api.shop")):
        yield _in_web(rule, f"curl -s -m 2 -o /dev/null http://{host}", "shop/web has api's page", "got no page")
    # curl would be content with a line in /etc/hosts
    yield _in_web("names", "nslookup -timeout=1 -retry=1 api.shop", "the DNS knows api.shop", "got no answer")


def _in_web(rule: str, command: str, well: str, ill: str) -> Row:
    why = "That is what the shop is there for." if rule != "names" else "Tomorrow somebody has another address."
    try:
        kubectl("exec", "-n", "shop", "web", "--", *command.split())
    except LabError as error:
        # without the program's own words: curl's have milliseconds in them
        status = next(iter(re.findall(r"command terminated with exit code \d+", error.what)), "it did not end")
        return Row(rule, "the course", False, f"{command.split()[0]} in shop/web {ill}; kubectl said: {status}", why)
    return Row(rule, "the course", True, well, why)


def _new_pods() -> Row:
    """Does a pod that is made now on each node become ready?"""
    names = {f"probe-{node}": node for node in ("node-1", "node-2")}
    spec = {"containers": [{"name": "probe", "image": "busybox", "command": ["sleep", "infinity"]}]}
    apply(
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {**spec, "nodeName": node, "terminationGracePeriodSeconds": 0},
        }
        for name, node in names.items()
    )  # fmt: skip
    try:
        end = time.monotonic() + _PATIENCE / 4
        while late := [name for name in names if not is_ready(ask("get", "pod", name))]:
            if time.monotonic() > end:
                break
            time.sleep(_OFTEN)
    finally:
        kubectl("delete", "pod", *names, "--force", "--grace-period=0")
    seen = f"not ready on {', '.join(names[name] for name in late)}" if late else "ready on both nodes"
    return Row("new pods", "the course", not late, seen, "A node that cannot start pods is of little use.")


def _policies() -> list[dict[str, Any]]:
    def ingress(name: str, target: str, source: str) -> dict[str, Any]:
        rule = {"from": [{"podSelector": {"matchLabels": {"app": source}}}], "ports": [{"port": 80}]}
        return _policy(name, target, {"ingress": [rule]})

    to_api = {"to": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 80}]}
    return [
        ingress("api-from-web", "api", "web"),
        ingress("db-from-api", "db", "api"),
        _policy("web-out", "web", {"egress": [to_api, _DNS], "policyTypes": ["Ingress", "Egress"]}),
    ]


def _policy(name: str, target: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"podSelector": {"matchLabels": {"app": target}}, **rules},
    }
