"""``minikube COMMAND``: what each does, and with which words and exit status."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence

from labhelpers.cluster.cluster import Cluster
from labhelpers.cluster.minikube.arguments import ADDONS, IGNORED, PROFILE, is_not_here, parser
from labhelpers.cluster.minikube.shell import become_shell
from labhelpers.cluster.pod_network import NETWORKS
from labhelpers.cluster.state import State
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.lab import Node

__all__ = ["main"]

#: minikube's own exit statuses: wrong usage, no such profile, something is not running
_USAGE, _NO_PROFILE, _STOPPED = 14, 85, 7
#: networks that real minikube knows, or people ask it for
_KNOWN = ("kindnet",)
_WITHOUT = ("false", "none")


def main(argv: Sequence[str]) -> int:
    """Do what was typed.  Returns the exit status."""
    try:
        given, beyond = _apart(argv)
        options = parser().parse_args(given)
        if (profile := getattr(options, "profile", PROFILE)) != PROFILE:
            raise BadInput(f"There is no profile {profile!r} here.", "There is one, minikube: leave -p out.")
        if is_not_here(options.command):
            raise BadInput(
                f"`minikube {options.command}` is not implemented here.",
                "There is start, ssh, status, ip, addons and delete.",
            )
        job: Callable[..., int] = _COMMANDS[options.command]
        return job(options, beyond)
    except BadInput as error:
        return _refuse("MK_USAGE", error, _USAGE)
    except NotFound as error:
        return _refuse("GUEST_NOT_FOUND", error, _NO_PROFILE)
    except LabError as error:
        return _refuse(type(error).__name__, error, 1)


def _apart(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for minikube, and what comes after ``--``."""
    given = list(argv)
    if "--" not in given:
        return given, []
    place = given.index("--")
    return given[:place], given[place + 1 :]


def _refuse(reason: str, error: LabError, status: int) -> int:
    print(f"X Exiting due to {reason}: {error.what}", file=sys.stderr)
    if error.to_do:
        print(f"* {error.to_do}", file=sys.stderr)
    return status


def _say(text: str) -> None:
    print(f"* {text}", flush=True)


def _running() -> Cluster:
    try:
        return Cluster.running()
    except NotFound:
        raise NotFound(f'Profile "{PROFILE}" not found.', "To start a cluster, run: minikube start") from None


def _node(cluster: Cluster, name: str) -> Node:
    if name:
        return cluster.node(name)
    if not cluster.nodes:
        raise NotFound("The cluster has no node any more.", "minikube delete, and minikube start.")
    return cluster.nodes[0]


def _names(count: int) -> list[str]:
    """As minikube calls them: minikube, minikube-m02, …"""
    return [PROFILE, *(f"{PROFILE}-m{number:02}" for number in range(2, count + 1))]


def _network(cni: str) -> str:
    """The network that ``--cni`` means.

    Raises:
        BadInput: there is none of this name, or not yet.
    """
    if cni in ("", "auto", "true"):
        return "bridge"
    if cni in _WITHOUT:
        return "none"
    if cni in NETWORKS:
        return cni
    there = f"Choose one of {', '.join(NETWORKS)}, or false for none."
    if cni in _KNOWN:
        raise BadInput(f"--cni={cni}: this network is not built in the course yet.", there)
    if "/" in cni or cni.endswith((".yaml", ".yml")):
        raise BadInput(f"--cni={cni}: a manifest cannot be installed here, as its images cannot be had.", there)
    raise BadInput(f"--cni={cni}: there is no network of this name.", there)


def _start(options: object, _: list[str]) -> int:
    given = vars(options)
    network, count = _network(given["cni"]), given["nodes"]
    if (state := State.read()) is not None:
        there = len(state.nodes)
        _say(f"A cluster of {there} node{'s' * (there != 1)} is running already; minikube delete removes it.")
        return 0
    _say("minikube of the pod-networking course: the nodes are namespaces on this kernel, no machine is made")
    for name in IGNORED:
        if given[name.replace("-", "_")] is not None:
            _say(f"--{name} is ignored: it is about a machine")
    names = _names(count) if count > 0 else None
    cluster = Cluster(count, names=names, network=network, dns=bool(given["addons"]))
    for node in cluster.nodes:
        _say(f"Node {node.name}: {node.address}, pods {node.pod_cidr}")
    if network == "none":
        _say("No network for pods: the nodes are not ready until one is configured")
    else:
        _say(f"Configured {network} CNI (Container Networking Interface)")
    if given["addons"]:
        _say("Enabled addons: dns")
    _say('Done! kubectl is now configured to use the cluster and the "default" namespace')
    return 0


def _addons(options: object, _: list[str]) -> int:
    """Real minikube has DNS without being asked; here it would cost a pod and an address in every lab."""
    what, name = vars(options)["what"], vars(options)["name"]
    cluster = _running()
    if what == "list":
        for one, does in ADDONS.items():
            print(f"{one}\t{'enabled' if cluster.has_dns else 'disabled'}\t{does}")
        return 0
    if name is None:
        raise BadInput(f"minikube addons {what} needs a name.", f"There is {', '.join(ADDONS)}.")
    (cluster.enable_dns if what == "enable" else cluster.disable_dns)()
    _say(f"The '{name}' addon is {what}d")
    return 0


def _ssh(options: object, beyond: list[str]) -> int:
    given = vars(options)
    become_shell(_node(_running(), given["node"]), [*given["arguments"], *beyond])


def _status(options: object, _: list[str]) -> int:
    cluster = _running()
    alive = {node.name for node in cluster.nodes}
    for name in cluster.names:
        is_first = name == cluster.names[0]
        lines = [name, f"type: {'Control Plane' if is_first else 'Worker'}"]
        lines += [f"{what}: {_word(name in alive)}" for what in ("host", "kubelet")]
        lines += [f"apiserver: {_word(cluster.runs)}", "kubeconfig: Configured"] if is_first else []
        print("\n".join(lines), end="\n\n")
    return 0 if len(alive) == len(cluster.names) else _STOPPED


def _word(runs: bool) -> str:
    return "Running" if runs else "Stopped"


def _delete(options: object, _: list[str]) -> int:
    try:
        cluster = Cluster.running()
    except NotFound:
        print(f'* Profile "{PROFILE}" not found; there is nothing to delete.')
        return 0
    _say("Deleting the cluster and its nodes …")
    cluster.delete()
    _say("Removed all traces of the cluster.")
    return 0


def _ip(options: object, _: list[str]) -> int:
    print(_node(_running(), vars(options)["node"]).address)
    return 0


def _kubectl(options: object, beyond: list[str]) -> int:
    program = shutil.which("kubectl")
    if program is None:
        raise LabError("There is no kubectl on the PATH.", "`make env` gets one.")
    os.execv(program, ["kubectl", *vars(options)["arguments"], *beyond])


def _nodes(options: object, _: list[str]) -> int:
    for node in _running().nodes:
        print(f"{node.name}\t{node.address}")
    return 0


def _version(options: object, _: list[str]) -> int:
    print("minikube of the pod-networking course: a cluster of namespaces, not minikube's own program")
    return 0


_COMMANDS: dict[str, Callable[[object, list[str]], int]] = {
    "start": _start, "ssh": _ssh, "status": _status, "addons": _addons, "delete": _delete, "ip": _ip,
    "kubectl": _kubectl, "node": _nodes, "version": _version,
}  # fmt: skip
