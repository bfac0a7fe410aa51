"""A pod's sandbox: what its containers share.  Made in the real order: namespace, CNI's ADD, then the process.

Who makes the network namespace is the runtime (here: this module), never a plugin; the plugins are given its path.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from labhelpers.cluster.kubelet.etc import hostname_of
from labhelpers.cni import Operation, Runtime
from labhelpers.cni import pod as cni_pods
from labhelpers.errors import CniFailed, LabError, Vanished
from labhelpers.lab import Node
from labhelpers.lab.label import Label
from labhelpers.linux.container.shim import Running, Shim
from labhelpers.linux.container.spec import SandboxSpec

__all__ = ["CannotCreateSandbox", "Sandbox", "abandon", "create", "remove", "sandbox_id"]


class CannotCreateSandbox(LabError):
    """The network could not be set up, or the process not started.  Nothing is left of the attempt."""


@dataclass(frozen=True)
class Sandbox:
    """A sandbox that was made."""

    #: what CNI knows it by; its namespace on the node is called ``cni-`` and this
    id: str
    running: Running
    addresses: tuple[str, ...]
    #: when its namespace was made, in seconds since 1970
    made_at: float = 0.0
    host_network: bool = False
    #: the exchange with the plugins, ``None`` on the node's network
    operation: Operation | None = None


def sandbox_id(pod: Mapping[str, Any], attempt: int) -> str:
    """An id of the form that containerd gives to namespaces, the same in every run."""
    digest = hashlib.sha256(f"{pod['metadata']['uid']}/{attempt}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))


def create(node: Node, runtime: Runtime, shim: Shim, pod: Mapping[str, Any], attempt: int) -> Sandbox:
    """Make a pod's sandbox.

    Raises:
        CannotCreateSandbox: in the words of a real kubelet's event.
        Vanished: the node has ended.
    """
    if pod["spec"].get("hostNetwork"):
        running = shim.start(SandboxSpec(node.pid, "", node.name))
        return Sandbox(sandbox_id(pod, attempt), running, (node.address,), host_network=True)
    meta, name = pod["metadata"], sandbox_id(pod, attempt)
    label = Label("pod", f"{meta['namespace']}/{meta['name']}", node.name, "kubelet")
    cni_pods.forget_name(node, name)
    made = cni_pods.create(node, name, label=label)
    made_at = time.time()
    try:
        try:
            operation = runtime.add(name, args=_arguments(pod, name), capabilities=_capabilities(pod))
        except Vanished:
            raise
        except LabError as error:
            raise CannotCreateSandbox(_in_words(error, name, pod), error.to_do) from error
        try:
            running = shim.start(SandboxSpec(node.pid, made._kernel.path, hostname_of(pod)))
        except LabError as error:
            with suppress(LabError):
                runtime.delete(name)
            raise CannotCreateSandbox(f"failed to start sandbox {name!r}: {error.what}", error.to_do) from error
    except BaseException:
        with suppress(LabError):
            cni_pods.remove(node, name)
        raise
    result = operation.result
    addresses = tuple(ip.address.split("/")[0] for ip in result.ips) if result else ()
    return Sandbox(name, running, addresses, made_at, operation=operation)


def _arguments(pod: Mapping[str, Any], name: str) -> dict[str, str]:
    """What containerd and CRI-O put into ``CNI_ARGS``."""
    meta = pod["metadata"]
    return {
        "IgnoreUnknown": "1",
        "K8S_POD_NAMESPACE": meta["namespace"],
        "K8S_POD_NAME": meta["name"],
        "K8S_POD_INFRA_CONTAINER_ID": name,
        "K8S_POD_UID": meta["uid"],
    }


def _capabilities(pod: Mapping[str, Any]) -> dict[str, Any]:
    mappings = [
        {
            "hostPort": port["hostPort"],
            "containerPort": port["containerPort"],
            "protocol": port.get("protocol", "TCP").lower(),
            **({"hostIP": port["hostIP"]} if port.get("hostIP") else {}),
        }
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or ()
        if port.get("hostPort")
    ]
    return {"portMappings": mappings} if mappings else {}


def _in_words(error: LabError, name: str, pod: Mapping[str, Any]) -> str:
    said = error.msg if isinstance(error, CniFailed) and error.msg else error.what.rstrip(".")
    plugin = _failed_plugin(error)
    return f'failed to setup network for sandbox "{name}": {plugin}{said}'


def _failed_plugin(error: LabError) -> str:
    """Which plugin of the chain it was, as libcni says it."""
    operation = getattr(error, "operation", None)
    exchanges: Sequence[Any] = getattr(operation, "exchanges", ())
    failed = next((one for one in exchanges if not one.ok), None)
    return f'plugin type="{failed.plugin}" failed (add): ' if failed else ""


def remove(node: Node, runtime: Runtime, shim: Shim, sandbox: Sandbox) -> None:
    """Take a sandbox away: CNI's DEL first, while the namespace is there, then the process and the namespace.

    May be called again after an error, and after the node's processes were killed.

    Raises:
        CniFailed: a plugin did not clean up; the sandbox is as it was.
    """
    if not sandbox.host_network:
        runtime.delete(sandbox.id)
    shim.kill(sandbox.running)
    if not sandbox.host_network:
        cni_pods.remove(node, sandbox.id)


def abandon(node: Node, shim: Shim, sandbox: Sandbox) -> None:
    """End a sandbox whose network cannot be taken down; what the plugins noted of it stays, for their GC."""
    shim.kill(sandbox.running)
    if not sandbox.host_network:
        cni_pods.remove(node, sandbox.id)
