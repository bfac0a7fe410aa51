"""``Lab``: where everything of a lesson is made, and taken away again."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from labhelpers.errors import NotFound, PoolExhausted
from labhelpers.lab import bridge, underlay, veth
from labhelpers.lab.boot import boot
from labhelpers.lab.bridge import Bridge
from labhelpers.lab.journal import Commands, journal
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace, no_ipv6
from labhelpers.lab.node import Node
from labhelpers.lab.pod import Pod
from labhelpers.lab.pool import free_block, pod_block
from labhelpers.lab.sweep import all_named, sweep
from labhelpers.lab.veth import Veth
from labhelpers.linux import link, names, namespace
from labhelpers.linux.changes import Changes
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held

__all__ = ["Lab"]

_FIRST_NODE = 10  # 192.168.1.10 is node-1
_MOST_NODES = 200


class Lab:
    """The lab of this notebook.

    ``Lab()`` gives an empty lab: what a lab made before is removed.  What you made by hand stays.  The lab keeps no
    list of what exists; it reads the kernel, where all it made carries ``owner=lab`` in the alias of its lo.

    Raises:
        NotInSandbox: the notebook runs on another kernel.
    """

    def __init__(self) -> None:
        self._nodes: dict[str, Node] = {}
        self.reset()

    @classmethod
    def beside(cls) -> Lab:
        """A second hand on the same lab, in another process.  Changes nothing: it knows what it makes or is told of.

        Raises:
            NotInSandbox: this process is not in the lab's sandbox.
        """
        require_sandbox()
        self = cls.__new__(cls)
        self._nodes = {}
        return self

    def adopt(self, name: str, *, pid: int, address: str, pod_cidr: str) -> Node:
        """Take in a node that another process made on this lab.  Changes nothing in the kernel.

        Args:
            pid: of its holder, which keeps it.

        Raises:
            NotFound: there is no namespace of this name.
        """
        label = Label("node", name, owner="lab")
        node = Node._join(namespace.attach(name), label, pid=pid, address=address, block=IPv4Network(pod_cidr))
        self._nodes[name] = node
        return node

    def reset(self) -> None:
        """Remove everything the lab made, and forget the commands.  What you made by hand stays.

        Shell: ``ip netns delete NAME`` for each namespace of the lab.
        """
        require_sandbox()
        with held():
            sweep()
            self._nodes.clear()
            journal.clear()

    def commands(self) -> Commands:
        """The shell commands that do what the helpers did since the lab was empty.  Changes nothing."""
        return journal.since()

    def namespaces(self) -> tuple[Namespace, ...]:
        """Every namespace that has a name, whoever made it, in order of name.  Shell: ``ip netns list``."""
        return tuple(self._known(one.name) or one for one in all_named())

    def _known(self, name: str) -> Namespace | None:
        return next((one for one in (*self.nodes, *self.pods) if one.name == name), None)

    def __getitem__(self, name: str) -> Namespace:
        """The node, pod or namespace of this name.  Raises ``NotFound``."""
        return self._known(name) or Namespace(name)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The nodes that exist, in the order they were made."""
        return tuple(node for node in self._nodes.values() if node.exists)

    @property
    def pods(self) -> tuple[Pod, ...]:
        """The pods that exist, node by node, in the order they were made."""
        return tuple(pod for node in self.nodes for pod in node.existing_pods)

    def namespace(self, name: str) -> Namespace:
        """Create a network namespace with nothing in it but lo, which is down.

        Raises:
            BadInput, AlreadyExists: nothing was made.

        Shell: ``ip netns add NAME``.
        """
        label = Label("namespace", name, owner="lab")
        lines = [f"ip netns add {name}"]

        def set_up(inside: Changes, fd: int) -> None:
            no_ipv6(inside)
            link.set_alias(inside, "lo", str(label))
            inside.apply()
            lines.extend(inside.done)

        with held():
            made = Namespace._made(namespace.create(name, set_up), label)
            journal.add(lines)
        return made

    def veth(self, a: tuple[Namespace, str], b: tuple[Namespace, str], *, mtu: int = 1500) -> Veth:
        """Create a cable: ``lab.veth((red, "eth0"), (blue, "eth0"))``.  Both ends are down.  ``mtu`` in bytes.

        Shell: ``ip -n red link add eth0 … type veth peer name eth0 netns blue``.
        """
        return veth.connect(a, b, mtu=mtu)

    def bridge(self, where: Namespace, name: str, *, address: str = "", mtu: int = 1500) -> Bridge:
        """Create a switch in a namespace, with an address for the namespace itself if given.  ``mtu`` in bytes.

        Shell: ``ip -n NAMESPACE link add NAME up type bridge``.
        """
        return bridge.create(where, name, address=address, mtu=mtu)

    def node(self, name: str, *, pod_cidr: str | None = None) -> Node:
        """Create a node: 192.168.1.10 and 10.0.1.0/24 for the first, .11 and 10.0.2.0/24 for the second …

        The first node also makes the underlay, the network between nodes.

        Args:
            pod_cidr: the block of its pods' addresses.

        Raises:
            BadInput, AlreadyExists: nothing was made.

        Shell: ``ip netns add NAME``, ``ip -n underlay link add NAME … type veth peer name eth0 netns NAME``, …; see
        ``lab.commands()``.
        """
        names.namespace_name(name)
        number = self._free_number()
        taken = {node.name: node.pod_cidr for node in self.nodes} | {"the underlay": underlay.BLOCK}
        block = free_block(number, taken) if pod_cidr is None else pod_block(pod_cidr, taken=taken)
        with held():
            node = boot(name, str(self._address(number)), block)
            self._nodes[name] = node
        return node

    def _free_number(self) -> int:
        used = {node.address for node in self.nodes}
        for number in range(1, _MOST_NODES + 1):
            if str(self._address(number)) not in used:
                return number
        raise PoolExhausted(f"All {_MOST_NODES} node addresses of {underlay.BLOCK} are in use.", "Delete a node.")

    @staticmethod
    def _address(number: int) -> IPv4Address:
        return IPv4Network(underlay.BLOCK)[_FIRST_NODE - 1 + number]

    def connect_nodes(self) -> None:
        """Teach every node the way to the other nodes' pods: a route by the other node's address.

        Shell: ``ip -n node-1 route add 10.0.2.0/24 via 192.168.1.11``.
        """
        for node in self.nodes:
            there = {one.destination for one in node.routes()}
            for other in self.nodes:
                if other is not node and other.pod_cidr not in there:
                    node.add_route(other.pod_cidr, via=other.address)

    def pod(self, name: str) -> Pod:
        """The pod of this name.  Changes nothing; raises ``NotFound``, naming the pods there are."""
        for pod in self.pods:
            if pod.name == name:
                return pod
        there = ", ".join(pod.name for pod in self.pods) or "none"
        raise NotFound(f"There is no pod {name!r} in this lab.", f"Pods: {there}.")

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()

    def __repr__(self) -> str:
        return f"<Lab {len(self.nodes)} nodes, {len(self.pods)} pods>"
