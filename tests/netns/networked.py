"""A cluster whose pods' network is one of agents: its nodes, pods and policies, and what the agents have said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from labhelpers.cluster import Cluster
from labhelpers.cluster.agent.door import SOCKET, TOKEN
from labhelpers.cluster.api.defaults import set_defaults
from labhelpers.cluster.client import ApiStore
from labhelpers.cluster.host import ClusterHost
from labhelpers.cni import CniPod
from labhelpers.cni import pod as cni_pods
from labhelpers.lab import Lab, Node
from labhelpers.linux import process
from labhelpers.networks import Network
from labhelpers.store import NAMESPACES, NETWORKPOLICIES, NODES, PODS, Object, Store
from tests.netns.kernel import eventually

__all__ = ["PATIENCE", "Networked", "growing", "networked"]

PATIENCE = 60.0
#: what runs on every node, or because of what the tests do
_USUAL = {"python", "python3", "sleep", "busybox"}


@dataclass
class Networked:
    """The cluster's API and nodes."""

    store: Store
    lab: Lab
    network: Network

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.lab.nodes

    def comes(self, claim: Callable[[], object]) -> bool:
        return eventually(claim, PATIENCE)

    # --- pods and policies -------------------------------------------------------------------------------------------

    def run(self, *names: str, node: str = "") -> dict[str, CniPod]:
        """A pod of each name, on this node or on all in turn, and wait until they have an address."""
        for number, name in enumerate(names):
            container = {"name": name, "image": "busybox", "command": ["sleep", "3600"]}
            spec = {"nodeName": node or self.nodes[number % len(self.nodes)].name, "containers": [container]}
            pod = {"metadata": {"name": name, "namespace": "default", "labels": {"app": name}}, "spec": spec}
            set_defaults(PODS, pod)
            self.store.create(PODS, pod)
        assert self.comes(lambda: all(self.address(name) for name in names)), self.said()
        found = {}
        for place in self.nodes:
            for container_id in cni_pods.listed(place):
                one = cni_pods.find(place, container_id)
                found[one.address] = one
        return {name: found[self.address(name)] for name in names}

    def address(self, name: str) -> str:
        status = self.store.get(PODS, name, "default").get("status") or {}
        return str(status.get("podIP", "")) if status.get("phase") == "Running" else ""

    def enforce(self, policies: Iterable[Object]) -> None:
        """Have these policies in the API, and no others."""
        wanted = {one["metadata"]["name"]: one for one in policies}
        there = {one["metadata"]["name"]: one for one in self.store.list(NETWORKPOLICIES)}
        for name, one in wanted.items():
            full = {**one, "metadata": {**one["metadata"], "namespace": "default"}}
            set_defaults(NETWORKPOLICIES, full)
            if name in there:
                self.store.update(NETWORKPOLICIES, {**there[name], "spec": full["spec"]})
            else:
                self.store.create(NETWORKPOLICIES, full)
        for name in there.keys() - wanted.keys():
            self.store.delete(NETWORKPOLICIES, name, "default")

    def objects(self) -> dict[str, list[Object]]:
        """What policies are about."""
        kinds = {"pods": PODS, "namespaces": NAMESPACES, "networkpolicies": NETWORKPOLICIES}
        return {name: list(self.store.list(kind)) for name, kind in kinds.items()}

    # --- agents ------------------------------------------------------------------------------------------------------

    def agent(self, node: Node) -> int:
        """The pid of the node's agent, 0 if it does not run."""
        for pid, inode in process.namespaces_of_processes():
            if inode == node.inode and "labhelpers.cluster.agent" in _words(pid):
                return pid
        return 0

    def kill(self, node: Node) -> None:
        """``kill -9`` the node's agent."""
        pid = self.agent(node)
        assert pid
        process.end([pid])

    def log(self, node: Node) -> str:
        """What the node's agents have said, the earlier ones' too."""
        assert self.network.agent is not None
        folders = Path(f"{node.root}/var/log/pods").glob(f"kube-system_{self.network.agent.daemon_set}-*")
        logs = sorted(file for folder in folders for file in folder.rglob("*.log"))
        return "\n".join(file.read_text() for file in logs)

    def begun(self, node: Node) -> int:
        """How many agents have begun on the node so far."""
        return len(re.findall("this is the course's model", self.log(node)))

    def said(self) -> str:
        return "\n".join(self.log(node) for node in self.nodes)

    # --- nodes come and go -------------------------------------------------------------------------------------------

    def ready(self, name: str) -> bool:
        """Is the node of this name ready?"""
        for one in self.store.list(NODES):
            if one["metadata"]["name"] == name:
                conditions = one.get("status", {}).get("conditions", [])
                return any((each["type"], each["status"]) == ("Ready", "True") for each in conditions)
        return False

    def remove(self, node: Node) -> None:
        """A node is switched off, and deleted from the API."""
        name = node.name
        node.delete()
        self.store.delete(NODES, name)

    # --- what a network leaves on a node -----------------------------------------------------------------------------

    @staticmethod
    def marks(node: Node) -> dict[str, set[str]]:
        """What is on a node that is no pod's and not every node's."""
        cables = re.compile(r"lo|eth0|(veth|cali|lxc)[0-9a-f]+")
        names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid, i in _processes(node) if i == node.inode}
        return {
            "links": {one.name for one in node.links() if not cables.fullmatch(one.name)},
            "configurations": {file.name for file in Path(f"{node.root}/etc/cni/net.d").iterdir()},
            "tables": set(re.findall(r"^table (\S+ \S+)", node.ruleset(), re.MULTILINE)),
            "programs": names - _USUAL,
            "rules": {str(one.priority) for one in node.rules()} - {"0", "32766", "32767"},
        }


def _processes(node: Node) -> list[tuple[int, int]]:
    return [(pid, inode) for pid, inode in process.namespaces_of_processes() if inode == node.inode]


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:  # it has ended
        return []


@contextmanager
def networked(network: Network, nodes: int = 2) -> Iterator[Networked]:
    """So many nodes, ready, with a network."""
    lab = Lab()
    with Cluster(nodes, network=network, lab=lab):
        yield Networked(ApiStore(f"unix:{SOCKET}", token=Path(TOKEN).read_text().strip()), lab, network)


@contextmanager
def growing(network: Network, nodes: int = 2) -> Iterator[tuple[Networked, ClusterHost]]:
    """The same in this process, so that it can be given more nodes."""
    host = ClusterHost([f"node-{number}" for number in range(1, nodes + 1)], network)
    try:
        host.wait_until_ready(PATIENCE)
        yield Networked(host.store, host.lab, network), host
    finally:
        host.close()
