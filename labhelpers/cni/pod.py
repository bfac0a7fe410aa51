"""A container's network namespace on a node, as a runtime makes it before it calls any plugin."""

from __future__ import annotations

from contextlib import suppress

from labhelpers.errors import NotFound
from labhelpers.lab import Namespace, Node
from labhelpers.lab.label import Label
from labhelpers.linux import link, node_names, process, sysctl
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import NetworkNamespace

_NO_IPV6 = "net.ipv6.conf.all.disable_ipv6"
_PREFIX = "cni-"

__all__ = ["CniPod", "create", "delete", "exists", "find", "forget_name", "listed", "name_of", "path_of", "remove"]


class CniPod(Namespace):
    """A pod whose network CNI plugins make.  Its namespace has a name on its node only, as on a real node."""

    node: Node

    @property
    def netns(self) -> str:
        """The path that plugins get as ``CNI_NETNS``."""
        return path_of(self.container)

    @property
    def container(self) -> str:
        """The id that plugins get as ``CNI_CONTAINERID``."""
        return self._label.name

    @property
    def name(self) -> str:
        """The pod's own name; its namespace's is ``cni-`` and this."""
        return self._label.name

    @property
    def address(self) -> str:
        """Its first IPv4 address without prefix length, as the kernel says.

        Raises:
            NotFound: it has none.
        """
        for one in self.links():
            for address in one.addresses:
                if one.kind != "loopback" and ":" not in address:
                    return address.split("/")[0]
        raise NotFound(f"{self.name} has no address.", "ADD gives it one.")

    def delete(self) -> None:
        """Refuse: its runtime deletes it, after DEL."""
        self._label.require_lab_owns(self.name)


def name_of(container: str) -> str:
    """What a container's namespace is called on its node."""
    return f"{_PREFIX}{container}"


def path_of(container: str) -> str:
    """The path of a container's namespace, as the node sees it."""
    return f"/run/netns/{name_of(container)}"


def exists(node: Node, container: str) -> bool:
    """Has the node a namespace for this container?"""
    return node_names.exists(node._pid, name_of(container))


def delete(node: Node, pod: CniPod) -> None:
    """Take the namespace away from the node.  Shell, on the node: ``ip netns delete cni-NAME``."""
    node_names.delete(node._pid, pod._kernel)


def forget_name(node: Node, container: str) -> None:
    """Take away a name whose namespace is gone, as after a restart of a real machine; without one nothing changes."""
    node_names.forget(node._pid, name_of(container))


def listed(node: Node) -> tuple[str, ...]:
    """The ids of the containers that have a namespace on the node, or had one."""
    return tuple(name[len(_PREFIX) :] for name in node_names.listed(node._pid) if name.startswith(_PREFIX))


def remove(node: Node, container: str) -> None:
    """End what runs in a container and take its namespace away, or what is left of it; without one nothing changes."""
    with suppress(NotFound):
        process.end_all_in({find(node, container).inode})
    forget_name(node, container)


def create(node: Node, container: str, *, label: Label | None = None) -> CniPod:
    """Create the namespace on the node, with lo up, as a runtime must before ADD.  IPv6 is off where the node's is.

    Shell, on the node: ``ip netns add cni-NAME``, ``ip -n cni-NAME link set lo up``.

    Source: https://www.cni.dev/docs/spec/#lifecycle--ordering: the runtime must create a new network namespace.
    """
    label = label or Label("pod", container, node.name, "cni")
    without_ipv6 = node.sysctl(_NO_IPV6) == "1"

    def set_up(inside: Changes, fd: int) -> None:
        if without_ipv6:
            sysctl.write(_NO_IPV6, 1)
        link.set_alias(inside, "lo", str(label))
        link.up(inside, "lo")

    kernel = node_names.create(node._pid, name_of(container), set_up)
    return _pod(node, kernel, label)


def find(node: Node, container: str) -> CniPod:
    """The namespace that the runtime made for a container (``NotFound`` if there is none)."""
    kernel = node_names.attach(node._pid, name_of(container))
    pod = _pod(node, kernel, Label())
    pod._label = pod._read_label()
    if not pod._label.name:
        pod._label = Label("pod", container, node.name, "cni")
    return pod


def _pod(node: Node, kernel: NetworkNamespace, label: Label) -> CniPod:
    pod = CniPod._made(kernel, label)
    pod.node = node
    return pod
