"""``Node``: a machine of the cluster, made of namespaces."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from ipaddress import IPv4Network

from labhelpers.errors import AlreadyExists, BadInput, NotFound, Vanished
from labhelpers.lab import bridge as bridges
from labhelpers.lab import pod as pods
from labhelpers.lab.bridge import Bridge
from labhelpers.lab.fixed import host_link
from labhelpers.lab.journal import journal
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace
from labhelpers.lab.pod import Pod, PodSpec
from labhelpers.lab.pool import Pool
from labhelpers.linux import holder, names, namespace, node_names, process
from labhelpers.linux.interrupt import held

__all__ = ["Node"]

_MASQUERADE = "lab_masquerade"
_PATIENCE = 2.0  # seconds for the kernel to finish what was begun


class Node(Namespace):
    """A node: network, mount and UTS namespaces, kept by one sleeping process, ``pid``.

    It has a /run, /etc/cni and /var/lib/cni of its own, an eth0 on the underlay, and forwards packets.  With the first
    pod it gets the bridge cni0.
    """

    #: in the node: the sandbox's /run/netns, to which its pods' names point
    SANDBOX_NAMES = "/run/sandbox-netns"
    BRIDGE = "cni0"

    #: its address on the underlay, without prefix length
    address: str
    pid: int
    _pool: Pool
    _pods: dict[str, Pod]

    @classmethod
    def _join(
        cls, kernel: namespace.NetworkNamespace, label: Label, *, pid: int, address: str, block: IPv4Network
    ) -> Node:
        self = cls._made(kernel, label)
        self.pid, self.address = pid, address
        self._pods = {}
        self._pool = Pool(block, alive=lambda pod: (namespace.FOLDER / pod).exists())
        return self

    @property
    def _pid(self) -> int:
        if namespace.inode_at(f"/proc/{self.pid}/ns/net") != self.inode:
            raise Vanished(f"{self.name} is not running: its process has ended.", "Make it again with lab.node(…).")
        return self.pid

    @property
    def root(self) -> str:
        """The node's file system, seen from the sandbox."""
        return f"/proc/{self.pid}/root"

    @property
    def pod_cidr(self) -> str:
        """The block its pods get their addresses from."""
        return str(self._pool.block)

    @property
    def bridge(self) -> Bridge:
        """The pods' bridge, cni0; made if it is not there, with the block's first address.

        Shell: ``ip link add cni0 up type bridge``, ``ip address add 10.0.1.1/24 dev cni0``.
        """
        if self._has_bridge:
            return Bridge(self, self.BRIDGE)
        return bridges.create(self, self.BRIDGE, address=f"{self._pool.gateway}/{self._pool.block.prefixlen}")

    @property
    def _has_bridge(self) -> bool:
        return any(one.name == self.BRIDGE for one in self.links())

    def pod(self, name: str, *, address: str | None = None, mtu: int = 1500) -> Pod:
        """Create one pod on this node.

        Args:
            name: also its name in /run/netns, in the sandbox and in the node.
            address: one of the node's block; the lowest free one by default.
            mtu: bytes.

        Raises:
            BadInput, AlreadyExists, PoolExhausted, Vanished: nothing was made.

        Shell: ``ip netns add NAME``, ``ip -n NODE link add veth-NAME … type veth peer name eth0 netns NAME``, …; see
        ``lab.commands()``.
        """
        return self._create([name], address=address, mtu=mtu)[0]

    def pods(self, names: Iterable[str], *, mtu: int = 1500) -> list[Pod]:
        """Create many pods on this node: all of them, or none.  Shell: as for ``pod``."""
        if isinstance(names, str):
            raise BadInput(f"{names!r} is one name, and pods takes a list of them.", f"Write pods([{names!r}]).")
        return self._create(list(names), mtu=mtu)

    def _create(self, wanted: list[str], *, address: str | None = None, mtu: int) -> list[Pod]:
        names.mtu(mtu)
        for name in wanted:
            names.namespace_name(name)
        if len(set(wanted)) < len(wanted):
            raise BadInput("Two of the pods have the same name.", "Give each a name of its own.")
        with held(), journal.all_or_nothing(), ExitStack() as undo:
            self._require_running()
            self._wait_for_old_cables(wanted)
            specs = []
            for name in wanted:
                lease = self._pool.lease(name, address)
                undo.callback(self._pool.release_address, lease)
                specs.append(PodSpec(name, lease, self._pool.block.prefixlen, self._pool.gateway, mtu))
            if not self._has_bridge:
                undo.callback(self.bridge.delete)
            made = pods.create(self, self.BRIDGE, specs)
            undo.pop_all()
            self._pods.update((pod.name, pod) for pod in made)
        return made

    def _require_running(self) -> None:
        os.close(self._kernel.open())
        assert self._pid

    def _wait_for_old_cables(self, pods: list[str]) -> None:
        """A pod's namespace was removed by hand a moment ago: the kernel takes its cable away a little later."""
        end = time.monotonic() + _PATIENCE
        names = {host_link(pod) for pod in pods if not namespace.inode_at(str(namespace.FOLDER / pod))}
        while any(one.name in names and one.kind == "veth" for one in self.links()) and time.monotonic() < end:
            time.sleep(0.01)

    @property
    def existing_pods(self) -> tuple[Pod, ...]:
        """Its pods that exist, in the order they were made."""
        return tuple(pod for pod in self._pods.values() if pod.exists)

    def _enter(self, pod: str) -> None:
        """Give a pod its name in the node's /run/netns too."""
        self._leave(pod)  # of a pod of this name whose namespace was removed by hand
        try:
            os.symlink(f"{self.SANDBOX_NAMES}/{pod}", f"{self.root}/run/netns/{pod}")
        except FileExistsError:
            raise AlreadyExists(
                f"The node {self.name} has a namespace {pod!r} already, in its own /run/netns.", "Choose another name."
            ) from None

    def _leave(self, pod: str) -> None:
        """Take the name away again, if it is one that ``_enter`` gave."""
        path = f"{self.root}/run/netns/{pod}"
        try:
            if os.readlink(path) == f"{self.SANDBOX_NAMES}/{pod}":
                os.unlink(path)
        except OSError:  # it has no name there, or the node has ended
            pass

    def _forget(self, pod: str) -> None:
        """A pod is gone: free its address and its name in the node."""
        self._pool.release(pod)
        self._leave(pod)

    def masquerade(self, source: str = "") -> None:
        """Rewrite the source address of packets that leave this node's pods for elsewhere, as a home router does.

        The Kubernetes network model forbids this between pods; a lesson uses it to see the model fail.

        Args:
            source: the block to rewrite; the node's pod block by default.

        Shell: ``nft add rule ip lab_masquerade postrouting ip saddr BLOCK oifname != cni0 masquerade``.
        """
        block = names.network(source or self.pod_cidr)
        self.nft(
            f"add table ip {_MASQUERADE}\n"
            f"add chain ip {_MASQUERADE} postrouting {{ type nat hook postrouting priority srcnat; }}\n"
            f'add rule ip {_MASQUERADE} postrouting ip saddr {block} oifname != "{self.BRIDGE}" masquerade'
        )

    def no_masquerade(self) -> None:
        """Take the rewriting away again.  Shell: ``nft delete table ip lab_masquerade``.

        Raises:
            NotFound: there is none.
        """
        if f"table ip {_MASQUERADE} " not in self.ruleset():
            raise NotFound(f"There is no masquerade on {self.name}.", "masquerade() sets one up.")
        self.nft(f"delete table ip {_MASQUERADE}")

    def delete(self) -> None:
        """Remove the node with its pods: processes first, because a process keeps its namespace alive, then the names.

        What has a name on the node only, as a CNI runtime's pods have, goes with the node.

        Shell: ``ip netns delete`` for each pod and for the node.
        """
        os.close(self._kernel.open())
        with held():
            with suppress(Vanished):  # its process has ended, and its names with it
                process.end_all_in(node_names.inodes(self._pid))
            self._delete_with(self.existing_pods)
            holder.collect()
