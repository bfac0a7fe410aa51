"""``Datapath``: what moves and judges the packets of one node's pods, eBPF or nftables, and what it is told.

It is told all that must be, each time, and makes the kernel so: what is right is not touched, what is of nobody goes.
It remembers nothing that it could not find in the kernel, so that an agent that was killed is followed by one that
goes on, and packets pass meanwhile.

What it decides about a packet of IPv4, in this order.  ``source`` and ``destination`` are the packet's.

1. It comes in from a pod, and its source is not that pod's address: dropped, ``INVALID_SOURCE``.
2. It goes to the node itself, or comes from it: passes unasked, as the kubelet must reach its pods.  It goes to a port
   of a pod in front of which a proxy of the node stands, or comes from it: the node's, and the proxy is asked.
3. It belongs to a flow that was allowed to begin, in either direction, or is an ICMP error about one: passes.
4. It comes from an endpoint of this node, and that one's identity is isolated for egress: is there an ``Allowed`` with
   that subject, and the destination's identity as remote?  If not: dropped, ``POLICY``.
5. It goes to an endpoint of this node, and that one's identity is isolated for ingress: the same, with the source's
   identity as remote.
6. It begins a flow, which is noted.  If there is no room: dropped, ``FLOWS_FULL``.
7. To an endpoint of this node: straight to its interface.  To one of another node: there, wrapped if ``tunnel``, with
   the source's identity as network identifier; else by the uplink.  To others: the node's own routes.

What comes in from a pod's interface that no endpoint is known of (a pod that was made a moment ago) is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from labhelpers.linux.records import Rows
from labhelpers.networks.policy import Applied
from labhelpers.networks.policy.model import Direction

__all__ = [
    "ANY",
    "FLOWS_FULL",
    "INVALID_SOURCE",
    "LAST_PORT",
    "POLICY",
    "Allowed",
    "Datapath",
    "Endpoint",
    "Events",
    "FlowEvent",
    "Located",
    "RuleCounter",
    "Service",
    "Wanted",
]

#: every identity, or every protocol
ANY = 0
LAST_PORT = 65535
#: why a packet was dropped
POLICY, INVALID_SOURCE, FLOWS_FULL = "policy denied", "invalid source address", "no room for another flow"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A pod of this node."""

    address: str
    #: the node's end of its cable
    interface: str
    #: of the pod's end
    mac: str
    identity: int


@dataclass(frozen=True, slots=True)
class Located:
    """One line of the ipcache: who has these addresses, and which node they are on.  The longest prefix decides."""

    #: ``10.0.1.10/32``; there is always a line for ``0.0.0.0/0``
    block: str
    identity: int
    #: that node's address on the underlay; ``""`` if it is this node, or they are outside of the cluster
    node: str = ""


@dataclass(frozen=True, slots=True)
class Allowed:
    """One entry of the policy: whom endpoints of one identity may talk to (egress) or hear (ingress).

    Looked up in this order, and the first that is found names the rule in counters and events: the remote's identity
    and the packet's protocol; the remote's identity and ``ANY`` protocol; ``ANY`` identity and the packet's protocol;
    ``ANY`` and ``ANY``.  Entries that are equal in subject, direction, remote and protocol have no port in common.
    """

    #: the identity of endpoints of this node
    subject: int
    direction: Direction
    #: the other end's identity, or ``ANY``
    remote: int
    #: 6 for TCP, 17 for UDP; ``ANY`` goes with all ports
    protocol: int = ANY
    #: the destination's ports; packets without ports (ICMP) are allowed by entries of ``ANY`` protocol only
    first: int = 0
    last: int = LAST_PORT
    #: who allows it: ``namespace/name``, and the number of its rule, from 1
    policy: str = ""
    rule: int = 0


@dataclass(frozen=True, slots=True)
class Service:
    """One address that stands for several: ``ClusterIP``.  Translated before policies are asked."""

    name: str
    address: str
    port: int
    #: 6 for TCP, 17 for UDP
    protocol: int
    #: addresses and ports of pods; none: what goes there is dropped
    backends: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Everything that a node's datapath is told."""

    #: the node's name and its address on the underlay
    node: str
    address: str
    #: all addresses that are the node's own, as it was asked a moment ago
    own: frozenset[str]
    #: the pods' blocks of all nodes
    blocks: tuple[str, ...]
    #: wrap what goes to other nodes' pods?  Then by the device ``cilium_vxlan``, else by ``eth0``
    tunnel: bool
    endpoints: tuple[Endpoint, ...] = ()
    ipcache: tuple[Located, ...] = ()
    #: identities of endpoints of this node, and the directions in which only what is allowed passes
    isolated: frozenset[tuple[int, Direction]] = frozenset()
    allowed: tuple[Allowed, ...] = ()
    services: tuple[Service, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleCounter:
    """How many first packets of flows a rule has allowed, or how many packets were dropped."""

    direction: str
    #: ``namespace/name``; ``""`` for what was dropped
    policy: str
    #: ``rule 1``, or why it was dropped
    what: str
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class FlowEvent:
    """The first packet of a flow, or one that was dropped."""

    #: nanoseconds since 1970, of the kernel
    time: int
    node: str
    source: str
    destination: str
    #: its number: 1 for ICMP, 6 for TCP, 17 for UDP
    protocol: int
    #: 0 for packets without ports
    source_port: int
    destination_port: int
    source_identity: int
    destination_identity: int
    forwarded: bool
    #: where the decision was made: ``egress`` or ``ingress``; ``""`` if no policy was asked
    direction: str = ""
    #: why it was dropped
    reason: str = ""
    #: who allowed it: ``namespace/name`` and the rule's number
    policy: str = ""
    rule: int = 0


class Events(Protocol):
    """The flow events of one node, from when it was opened until ``close``."""

    @property
    def lost(self) -> int:
        """Events that did not fit the kernel's buffer, and were lost."""
        ...

    def fileno(self) -> int:
        """What to wait for with others, for reading."""
        ...

    def read(self, timeout: float = 0.0) -> list[FlowEvent]:
        """The events that are there, waiting at most ``timeout`` seconds for the first."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...


class Datapath(Protocol):
    """The part that is done by eBPF, or by nftables where eBPF cannot be loaded.

    Made with the node it is for: a lab's node, or the agent's own, seen from inside.
    """

    #: ``ebpf`` or ``nft``
    name: ClassVar[str]
    #: one sentence: what is running
    way: ClassVar[str]

    def apply(self, wanted: Wanted) -> Applied:
        """Make the kernel as it must be.

        Returns:
            the commands, or words where eBPF has none; ``repaired`` if the kernel's state was not as it had been left.

        Raises:
            BadInput: there is no room for so much, or it contradicts itself; everything is as it was before.
            KernelFeatureMissing, ToolMissing, Vanished.
        """
        ...

    def counters(self) -> Rows[RuleCounter]:
        """What the kernel has counted.  Changes nothing."""
        ...

    def tables(self) -> Mapping[str, Rows[Any]]:
        """What is in the kernel, table by table: ``endpoints``, ``ipcache``, ``policy``, ``flows``, ``services``."""
        ...

    def events(self) -> Events:
        """Listen to what happens to flows from now on."""
        ...

    def hand_over(self, ports: Iterable[tuple[str, int]]) -> None:
        """Leave TCP to and from these ports of this node's pods, and no others, to the node, where a proxy takes it.

        Policies are not asked about it.  Where nothing is at work, nothing is to be done.

        Args:
            ports: addresses of pods, and their ports.
        """
        ...

    def clean(self) -> None:
        """Take everything away, however much of it is there, also what somebody else of this class has left."""
        ...
