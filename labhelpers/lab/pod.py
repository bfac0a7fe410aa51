"""``Pod``: a network namespace with one cable to its node's bridge."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from labhelpers.errors import NotFound
from labhelpers.lab.fixed import host_link, mac_of_address, mac_of_link
from labhelpers.lab.journal import journal
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace, no_ipv6
from labhelpers.linux import address, carrier, link, namespace, route, veth
from labhelpers.linux.changes import Changes
from labhelpers.linux.interrupt import held

if TYPE_CHECKING:
    from labhelpers.lab.node import Node

__all__ = ["Pod", "PodSpec", "create"]

_AT_ONCE = 16  # pods made in one visit: handing over costs, and others wait meanwhile


@dataclass(frozen=True, slots=True)
class PodSpec:
    """What a pod's network is to be."""

    name: str
    address: str
    prefix: int
    gateway: str
    #: bytes
    mtu: int


class Pod(Namespace):
    """A pod's network: eth0 with an address, a veth to the node's bridge, a default route to the bridge."""

    node: Node
    #: its address without prefix length
    address: str

    @property
    def host_link(self) -> str:
        """The name of the other end of its cable, on the node."""
        return host_link(self.name)

    def delete(self) -> None:
        """Remove the pod: its cable, its processes, its namespace; its address is free again.

        Raises:
            Vanished: it is gone already.

        Shell: ``ip -n POD link delete eth0``, ``ip netns delete POD``.
        """
        with held():
            super().delete()
            self.node._forget(self.name)


def create(node: Node, bridge: str, specs: Sequence[PodSpec]) -> list[Pod]:
    """Create pods on a node: all of them, or none.

    For each: a namespace; a veth pair born with one end inside as eth0 and the other on the node, plugged into the
    bridge; an address, a default route, lo and eth0 up; and its name in the node's /run/netns.

    Shell: see ``lab.commands()``.
    """
    kernels: list[namespace.NetworkNamespace] = []
    with held(), node._kernel.socket() as socket:
        work = _Work(node, Changes(socket, node.name), bridge)
        try:
            for start in range(0, len(specs), _AT_ONCE):
                some = specs[start : start + _AT_ONCE]
                kernels += namespace.create_all([(spec.name, partial(work.set_up, spec)) for spec in some])
        except BaseException:
            try:
                work.undo()
            finally:
                for kernel in kernels:
                    namespace.delete(kernel)
            raise
        carrier.wait(socket, {host_link(spec.name) for spec in specs})
        journal.add(work.lines)
        return [_pod(node, spec, kernel) for spec, kernel in zip(specs, kernels, strict=True)]


def _pod(node: Node, spec: PodSpec, kernel: namespace.NetworkNamespace) -> Pod:
    pod = Pod._made(kernel, _label(node, spec))
    pod.node, pod.address = node, spec.address
    return pod


def _label(node: Node, spec: PodSpec) -> Label:
    return Label("pod", spec.name, node.name, "lab")


class _Work:
    """What creating some pods has done to their node so far."""

    def __init__(self, node: Node, on_node: Changes, bridge: str) -> None:
        self.node, self.on_node, self.bridge = node, on_node, bridge
        self.lines: list[str] = []
        self._cables: list[str] = []
        self._names: list[str] = []

    def set_up(self, spec: PodSpec, inside: Changes, fd: int) -> None:
        """Make one pod's network.  Runs in its new namespace."""
        node, on_node, cable = self.node, self.on_node, host_link(spec.name)
        no_ipv6(inside)
        near = veth.Plug(cable, mac_of_link(node.name, cable))
        far = veth.Plug("eth0", mac_of_address(spec.address), spec.name, fd, index=2)
        veth.add(on_node, near, far, mtu=spec.mtu, master=self.bridge, up=True)
        on_node.apply()
        self._cables.append(cable)
        inside.knows("eth0", 2)
        link.set_alias(inside, "lo", str(_label(node, spec)))
        link.up(inside, "lo")
        address.add(inside, "eth0", f"{spec.address}/{spec.prefix}")
        link.up(inside, "eth0")
        route.add(inside, "default", via=spec.gateway)
        inside.apply()
        node._enter(spec.name)
        self._names.append(spec.name)
        self.lines += [f"ip netns add {spec.name}", inside.done[0], *on_node.done, *inside.done[1:]]
        on_node.done.clear()

    def undo(self) -> None:
        """Take the cables and the names away again, so that the same can be tried at once."""
        for name in self._names:
            self.node._leave(name)
        while cables := [one.name for one in link.dump(self.on_node.socket) if one.name in self._cables]:
            with suppress(NotFound):  # one went meanwhile, as its pod did: look again
                link.delete_together(self.on_node, cables)
                self.on_node.apply()
