"""``Cluster``: a Kubernetes cluster on the lab, for the notebook."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from labhelpers import errors
from labhelpers.cluster import dns, kubeconfig
from labhelpers.cluster.pod_network import spelled
from labhelpers.cluster.state import State
from labhelpers.errors import AlreadyExists, BadInput, LabError, NotFound, TimedOut
from labhelpers.lab import Lab, Node
from labhelpers.lab.underlay import remove_if_empty
from labhelpers.linux import namespace
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held
from labhelpers.networks import Network
from labhelpers.networks.policy import explain

__all__ = ["Cluster"]

_PATIENCE = 30.0  # seconds to begin, and to end
_OFTEN = 0.02
_MOST_NODES = 50
_STORE = "/pod-networking/store"
_POLICY_KINDS = {"pods": "/api/v1", "namespaces": "/api/v1", "networkpolicies": "/apis/networking.k8s.io/v1"}
_DEPLOYMENTS = f"/apis/apps/v1/namespaces/{dns.NAMESPACE}/deployments"
#: what the process says of faults of its own
_LOG = Path("/run/pod-networking/cluster.log")
#: the processes that this one has started, by pid: their parent must ask how they ended
_started: dict[int, subprocess.Popen[str]] = {}


class Cluster:
    """A cluster of nodes that are namespaces, with a real API for a real kubectl.

    It is a process of its own beside the notebook, and goes with the sandbox, or with ``delete``.  ``kubectl`` in a
    ``%%bash`` cell and in ``pod-shell`` finds it by the kubeconfig that it writes.

    Args:
        nodes: how many: node-1 is 192.168.1.10 with 10.0.1.0/24 for its pods, and so on.
        network: how pods are connected: ``bridge``, ``flannel``, ``calico``, ``canal``, or one with settings, such as
            ``Calico(mode="bgp")``; ``none`` leaves the nodes without a CNI configuration and so not ready.
        lab: its ``nodes`` become this lab's, too.
        names: what the nodes are called instead, one for each.
        dns: with a pod that answers the names of services and pods, as ``enable_dns`` makes it.

    Raises:
        BadInput, AlreadyExists, NotInSandbox, LabError: nothing is left of the attempt.
    """

    def __init__(
        self,
        nodes: int = 2,
        *,
        network: Network | str = "bridge",
        lab: Lab | None = None,
        names: Sequence[str] | None = None,
        dns: bool = False,
    ) -> None:
        if not isinstance(nodes, int) or isinstance(nodes, bool) or not 1 <= nodes <= _MOST_NODES:
            raise BadInput(f"A cluster cannot have {nodes!r} nodes.", f"Choose 1 to {_MOST_NODES}.")
        names = names or [f"node-{number}" for number in range(1, nodes + 1)]
        if len(set(names)) != nodes:
            raise BadInput(f"{nodes} nodes cannot be called {', '.join(names)}.", "Name each once.")
        self._begin(names, spelled(network), lab)
        if dns:
            try:
                self.enable_dns()
            except BaseException:
                self.delete()
                raise

    def _begin(self, names: Sequence[str], network: str, lab: Lab | None, saved: Path | None = None) -> None:
        require_sandbox()
        if State.read() is not None:
            raise AlreadyExists("There is a cluster in this sandbox already.", "Cluster.running(), or delete it first.")
        if (killed := State.last()) is not None:
            _clear_up(killed)
        taken = [name for name in (*names, "underlay") if namespace.inode_at(str(namespace.FOLDER / name))]
        if taken and taken != ["underlay"]:
            raise AlreadyExists(
                f"There is a namespace {taken[0]!r} already, and a node is to be called so.", "lab.reset() removes it."
            )
        options = ["--network", network, *(["--load", str(saved)] if saved else [])]
        self._attach(_start([*names, *options]), lab)

    def _attach(self, state: State, lab: Lab | None) -> None:
        self._state = state
        self._lab = lab if lab is not None else Lab.beside()
        for one in state.nodes:
            if not any(node.name == one["name"] for node in self._lab.nodes):
                with suppress(NotFound):  # a node that was killed since
                    self._lab.adopt(**one)

    @classmethod
    def running(cls, lab: Lab | None = None) -> Cluster:
        """The cluster that runs in this sandbox, whoever started it.  Changes nothing.

        Raises:
            NotFound: there is none.
        """
        require_sandbox()
        _collect()
        state = State.read()
        if state is None:
            raise NotFound("There is no cluster in this sandbox.", "Make one with Cluster().")
        self = cls.__new__(cls)
        self._attach(state, lab)
        return self

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, network: Network | str = "bridge", lab: Lab | None = None
    ) -> Cluster:
        """A cluster with the objects that ``save`` wrote: its nodes are made anew, its pods started again.

        Raises:
            BadInput: this is no saved cluster.
        """
        try:
            saved = json.loads(Path(path).read_text())
            names = [str(one["metadata"]["name"]) for one in saved["objects"]["nodes"]]
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise BadInput(f"{path} is no saved cluster: {error}.", "Save one with cluster.save(path).") from None
        self = cls.__new__(cls)
        self._begin(names, spelled(network), lab, Path(path).absolute())
        return self

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all objects into a file: what ``kubectl get`` shows, not what containers have on their disks.

        Raises:
            LabError: the cluster does not answer, or the file cannot be written.
        """
        content = self._ask(_STORE)
        try:
            Path(path).write_text(json.dumps(content, indent=1) + "\n")
        except OSError as error:
            raise LabError(f"{path} could not be written: {error.strerror}.", "Choose another place.") from None

    def enable_dns(self) -> None:
        """Make the cluster's DNS: the Deployment kube-dns in kube-system.  One that is there already stays.

        Every pod's resolv.conf names it from then on, also of pods that run already.  It answers
        ``web.default.svc.cluster.local`` with the addresses of the service's ready pods, as there is no ClusterIP, and
        ``10-0-1-2.default.pod.cluster.local``.

        Raises:
            LabError: the cluster does not answer.

        Shell: ``minikube addons enable dns``.
        """
        if not self.has_dns:
            self._ask(_DEPLOYMENTS, "POST", dns.deployment())

    def disable_dns(self) -> None:
        """Delete the cluster's DNS, if there is one.  Shell: ``minikube addons disable dns``."""
        if self.has_dns:
            self._ask(f"{_DEPLOYMENTS}/{dns.NAME}", "DELETE")

    @property
    def has_dns(self) -> bool:
        """Is there a Deployment kube-dns?  Changes nothing."""
        return any(one["metadata"]["name"] == dns.NAME for one in self._ask(_DEPLOYMENTS)["items"])

    def objects(self) -> dict[str, list[dict[str, Any]]]:
        """What policies are about, as it is now: all pods, namespaces and networkpolicies.  Changes nothing.

        Raises:
            LabError: the cluster does not answer.

        Shell: ``kubectl get pods,networkpolicies --all-namespaces -o json``, ``kubectl get namespaces -o json``.
        """
        return {kind: self._ask(f"{root}/{kind}")["items"] for kind, root in _POLICY_KINDS.items()}

    def refused_by(self, source: str, destination: str, port: int, protocol: str) -> tuple[str, ...]:
        """The policies that refuse a connection, by the API's objects of now.  Changes nothing.

        Args:
            source, destination: addresses.

        Raises:
            LabError: the cluster does not answer.
        """
        return explain(self, source, destination, port, protocol).refused_by

    def _ask(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Ask the API server, as kubectl does with its kubeconfig."""
        try:
            config = json.loads(self.kubeconfig.read_text())
            cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
            context = ssl.create_default_context(
                cadata=base64.b64decode(cluster["certificate-authority-data"]).decode()
            )
            request = urllib.request.Request(
                self._state.url + path,
                None if body is None else json.dumps(body).encode(),
                {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"},
                method=method,
            )
            with urllib.request.urlopen(request, context=context, timeout=_PATIENCE) as answer:
                return json.load(answer)
        except (OSError, ValueError, LookupError) as error:
            raise LabError(
                f"The cluster does not answer: {error}.", "See whether it runs: Cluster.running()."
            ) from None

    @property
    def names(self) -> list[str]:
        """What its nodes are called, also those that do not exist any more."""
        return [one["name"] for one in self._state.nodes]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Its nodes that exist.  Changes nothing."""
        return tuple(node for node in self._lab.nodes if node.name in self.names)

    def node(self, name: str) -> Node:
        """One of its nodes.  Changes nothing; raises ``NotFound``."""
        for node in self.nodes:
            if node.name == name:
                return node
        there = ", ".join(node.name for node in self.nodes) or "none"
        raise NotFound(f"The cluster has no node {name!r}.", f"Nodes: {there}.")

    @property
    def url(self) -> str:
        """Where the API server listens, on the sandbox's loopback."""
        return self._state.url

    @property
    def pid(self) -> int:
        """The cluster's process."""
        return self._state.pid

    @property
    def kubeconfig(self) -> Path:
        """The file by which kubectl finds it."""
        return kubeconfig.place()

    @property
    def runs(self) -> bool:
        """Is its process there?"""
        return self._state.runs

    def delete(self) -> None:
        """End the cluster: pods, nodes, API server.  One that has ended is no error, and is cleared up after."""
        with held(), suppress(ProcessLookupError):
            if self._state.runs:
                os.kill(self._state.pid, signal.SIGTERM)
            end = time.monotonic() + _PATIENCE
            while self._state.runs:
                if time.monotonic() > end:
                    raise TimedOut("The cluster did not end.", f"Look at its process, {self._state.pid}.")
                time.sleep(_OFTEN)
            if process := _started.pop(self._state.pid, None):
                process.wait(_PATIENCE)
            if State.last() == self._state:
                _clear_up(self._state)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.delete()

    def __repr__(self) -> str:
        return f"<Cluster {len(self.nodes)} nodes, {self.url}{'' if self.runs else ', ended'}>"


def _clear_up(killed: State) -> None:
    """Remove what a cluster leaves whose process was killed: its nodes, its kubeconfig.  Its pods ended with it."""
    lab = Lab.beside()
    for one in killed.nodes:
        with suppress(LabError):  # somebody else has removed it
            node = lab.adopt(**one)
            if namespace.inode_at(f"/proc/{node.pid}/ns/net") == node.inode:  # not another one of its name
                node.delete()
    remove_if_empty()
    kubeconfig.remove(killed.url)
    State.remove()


def _collect() -> None:
    """Ask those that have ended how they did: one that ``minikube delete`` ended would stay a zombie for ever."""
    for pid, process in list(_started.items()):
        if process.poll() is not None:
            del _started[pid]


def _start(arguments: list[str]) -> State:
    """Start the process, and wait until it says how to reach it."""
    _collect()
    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    with held(), open(_LOG, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "labhelpers.cluster.host", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,  # with that of a %%bash cell, the cell would not end before the cluster
            start_new_session=True,  # a Ctrl-C in a terminal is for what runs there
            env={**os.environ, "PYTHONPATH": paths},
            text=True,
        )
    assert process.stdout is not None
    with process.stdout:
        line = process.stdout.readline()
    try:
        said = json.loads(line)
    except ValueError:
        code = process.wait()
        reason = _LOG.read_text(errors="replace").strip().rpartition("\n")[2]
        raise LabError(
            f"The cluster ended before it began, with status {code}: {reason or 'it said nothing'}.", f"See {_LOG}."
        ) from None
    if "error" in said:
        process.wait()
        kind = getattr(errors, said["error"], LabError)
        raise kind(said["what"], said["to_do"])
    _started[process.pid] = process
    return State(**said)
