"""``Network``: what Flannel, Calico and Canal have in common.  Each is how pods are attached, routed and guarded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, ClassVar

from labhelpers.cni import Runtime
from labhelpers.errors import BadInput
from labhelpers.lab import Lab, Node
from labhelpers.linux.records import Rows
from labhelpers.networks.about import About
from labhelpers.networks.attach.attach import CNI_VERSION, Attach
from labhelpers.networks.installed import Installed
from labhelpers.networks.policy import Enforcer, Enforces
from labhelpers.networks.route.carrier import Carrier
from labhelpers.networks.route.other import Other

__all__ = ["Agent", "Network", "one_of", "yes_or_no"]

_ETHERNET = 1500


class Agent:
    """How a network's agent is called in a cluster: its DaemonSet in kube-system, and the image it stands for.

    Args:
        daemon_set: its name.
        label: key and value, by which ``kubectl get pods -l`` finds its pods.
        container: the name of the pods' only container.
        image: with its tag; ``labhelpers/cluster/images/catalogue.py`` knows it as an agent's.
    """

    def __init__(self, daemon_set: str, label: tuple[str, str], container: str, image: str) -> None:
        self.daemon_set, self.label, self.container, self.image = daemon_set, label, container, image


class Network:
    """A pod network, described.  Nothing is changed until it is installed, on a lab or with ``Cluster(network=…)``.

    It has three parts: ``attach`` says what a pod is connected to, ``route`` what brings packets to another node's
    pods, and ``enforces`` whether NetworkPolicies have an effect.
    """

    name: ClassVar[str]
    #: the file in /etc/cni/net.d
    file: ClassVar[str]
    #: who installs it in a cluster; none: whoever makes the nodes
    agent: ClassVar[Agent | None] = None

    #: what an enforcer's changes are counted in
    steps: ClassVar[str] = "lines of nft in one transaction"
    #: do packets pass only after a node's enforcer was told of the pod?
    knows_pods: ClassVar[bool] = False

    #: is it told of services, too?
    knows_services: ClassVar[bool] = False

    attach: Attach
    route: type[Carrier]
    enforces: bool = False
    nat_outgoing: bool = True

    #: the arguments it was made with
    options: Mapping[str, Any] = MappingProxyType({})

    def conflist(self, node: Node) -> dict[str, Any]:
        """The network configuration of a node.  Touches no kernel."""
        plugin = self.attach.plugin(node, self.mtu)
        return {"cniVersion": CNI_VERSION, "name": self.name, "plugins": [plugin]}

    def configure(self, node: Node) -> None:
        """Write the configuration into the node's /etc/cni/net.d.  Shell, on the node: ``cat > /etc/cni/net.d/…``."""
        Runtime(node, observe=False).configure(self.conflist(node), self.file)

    @property
    def mtu(self) -> int:
        """The largest packet in bytes that a pod sends, so that it still fits between the nodes."""
        return _ETHERNET - self.route.overhead

    def install(self, lab: Lab) -> Installed:
        """Install it on every node of a lab, without any cluster: for ``with Calico().install(lab) as net:``.

        Raises:
            BadInput, AlreadyExists, ToolMissing, KernelFeatureMissing: nothing is left of the attempt.

        Shell: see ``lab.commands()``.
        """
        return Installed(self, lab)

    def connect(self, lab: Lab) -> Carrier | None:
        """Bring packets from node to node, if there is more than one.  Shell: see ``lab.commands()``."""
        return self.route(lab) if len(lab.nodes) > 1 else None

    @property
    def running(self) -> str:
        """One sentence, where there is a choice: which of its ways it takes on this machine."""
        return ""

    def enforcer(self, node: Node, peers: Callable[[], Sequence[Other]]) -> Enforces | None:
        """Who enforces policies on a node; none if nobody does.  Changes nothing.

        Args:
            peers: asked for the other nodes, each time that they matter.
        """
        del peers
        return Enforcer(node) if self.enforces else None

    def on_new_pods(self, node: Node, look: Callable[[], object]) -> None:
        """For an agent: let ``look`` be called whenever the plugin has attached a pod.  Most networks need no telling.

        Args:
            look: called by another thread.
        """

    def about(self) -> Rows[About]:
        """What the real one does, what this one does, what it leaves out.  Changes nothing."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and (self.name, self.options) == (other.name, other.options)

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        given = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{type(self).__name__}({given})"


def one_of(choices: Mapping[str, type[Carrier]], what: str, value: object) -> type[Carrier]:
    """The carrier that a setting names.

    Raises:
        BadInput: it names none; those that there are, are said.
    """
    if not isinstance(value, str) or value not in choices:
        raise BadInput(f"There is no {what} {value!r}.", f"Choose one of {', '.join(choices)}.")
    return choices[value]


def yes_or_no(what: str, value: object) -> bool:
    """A setting that is True or False.

    Raises:
        BadInput: it is neither.
    """
    if not isinstance(value, bool):
        raise BadInput(f"{what}={value!r} says neither yes nor no.", f"Write {what}=True or {what}=False.")
    return value
