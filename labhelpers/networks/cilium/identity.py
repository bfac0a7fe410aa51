"""Identities: a number for everything that policies cannot tell apart, so that rules are about numbers, not addresses.

Pods with the same labels have the same number, on every node, however many they are and whatever their addresses.  The
product's agents agree on the numbers through the API, where they are counted up; here a number follows from the labels
alone, so that each node finds the same without asking.

Source: https://docs.cilium.io/en/stable/internals/security-identities/ (which numbers are whose),
https://docs.cilium.io/en/stable/gettingstarted/terminology/ (what an identity is).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from labhelpers.errors import BadInput
from labhelpers.linux.records import Rows
from labhelpers.networks.policy.model import DIRECTIONS, Peer
from labhelpers.networks.policy.world import KnownPod, World

__all__ = ["HOST", "INIT", "REMOTE_NODE", "RESERVED", "WIRE", "WORLD", "Identities", "Identity"]

HOST, WORLD, INIT, REMOTE_NODE = 1, 2, 5, 6
#: those that have no labels to follow from
RESERVED: Mapping[int, str] = {
    0: "reserved:unknown", HOST: "reserved:host", WORLD: "reserved:world", 3: "reserved:unmanaged",
    4: "reserved:health", INIT: "reserved:init", REMOTE_NODE: "reserved:remote-node", 7: "reserved:kube-apiserver",
    8: "reserved:ingress",
}  # fmt: skip
#: those of pods, which all nodes share; they fit into the 24 bits of a VXLAN header
_FIRST, _LAST = 256, 65535
WIRE = range(_FIRST, _LAST + 1)
#: those that a node gives blocks of addresses and other nodes for itself; they never leave it
_LOCAL, _LOCAL_NODE = 1 << 24, 2 << 24
_EVERYTHING = IPv4Network("0.0.0.0/0")
#: labels that a controller gives its pods, and that would give each revision a number of its own
_OF_CONTROLLERS = frozenset(
    ["pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name"]
)

Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Identity:
    """One number, and what has it in common."""

    number: int
    labels: Labels


class Identities:
    """The identities of a cluster at one moment.  Touches no kernel.

    Pods differ in what policies may ask about: their namespace and labels; and where policies name blocks of addresses
    or names of ports, also in the blocks that they are in, and in the ports that they call so.

    Args:
        nodes: the other nodes' addresses, all that their packets may come from.

    Raises:
        BadInput: there are more kinds of pods than numbers.
    """

    def __init__(self, world: World, nodes: Iterable[str] = ()) -> None:
        self._asked = _Asked(world)
        #: the blocks that policies name, the smallest first
        self.blocks = self._asked.blocks
        kinds: dict[Labels, list[KnownPod]] = {}
        for pod in world.pods:
            kinds.setdefault(self._labels(pod), []).append(pod)
        self._known: dict[int, Identity] = {number: Identity(number, (name,)) for number, name in RESERVED.items()}
        self._pods: dict[str, int] = {}
        #: one pod of each number: what a policy says about it, it says about all
        self.examples: dict[int, KnownPod] = {}
        for labels, number in _numbered(kinds).items():
            self._known[number] = Identity(number, labels)
            self.examples[number] = kinds[labels][0]
            self._pods.update((pod.address, number) for pod in kinds[labels])
        self._of_block = {block: _LOCAL + number for number, block in enumerate(sorted(self.blocks), 1)}
        self._known.update((number, Identity(number, (f"cidr:{block}",))) for block, number in self._of_block.items())
        self.nodes = {address: self._node(address) for address in sorted(set(nodes), key=IPv4Address)}

    def of_pod(self, address: str) -> int | None:
        """The number of the pod that has this address, if there is one."""
        return self._pods.get(address)

    @property
    def of_pods(self) -> Mapping[str, int]:
        """The numbers of all pods, by their addresses."""
        return self._pods

    def of_block(self, block: IPv4Network, otherwise: int = WORLD) -> int:
        """The number of addresses in a block that are neither a pod's nor a node's."""
        inside = next((one for one in self.blocks if block.subnet_of(one)), None)
        return otherwise if inside is None else self._of_block[inside]

    def meant(self, peer: Peer, by_labels: Iterable[KnownPod]) -> set[int]:
        """The numbers of all that an entry of ``from`` or ``to`` means.

        Args:
            by_labels: the pods that it selects, if it does so by labels.
        """
        if peer.block is None:
            return {self._pods[pod.address] for pod in by_labels}
        found = {number for number, pod in self.examples.items() if _inside(peer, _alone(pod.address))}
        found |= {number for address, number in self.nodes.items() if _inside(peer, _alone(address))}
        found |= {number for block, number in self._of_block.items() if _inside(peer, block)}
        # what is in no block that somebody names is in the one that has everything
        return found | ({WORLD, INIT} if _inside(peer, _EVERYTHING) else set())

    def all(self) -> Rows[Identity]:
        """All that there are, by number."""
        return Rows((self._known[number] for number in sorted(self._known)), "identities")

    def _labels(self, pod: KnownPod) -> Labels:
        asked = self._asked
        labels = {f"k8s:{key}={value}" for key, value in pod.labels.items() if asked.counts(key)}
        labels.add(f"k8s:io.kubernetes.pod.namespace={pod.namespace}")
        labels |= {f"port:{name}={kind}/{port}" for kind, name, port in pod.ports if name in asked.port_names}
        return (*sorted(labels), *self._cidr_labels(pod.address))

    def _cidr_labels(self, address: str) -> Labels:
        alone = _alone(address)
        return tuple(f"cidr:{block}" for block in sorted(self.blocks) if alone.subnet_of(block))

    def _node(self, address: str) -> int:
        cidrs = self._cidr_labels(address)
        if not cidrs:
            return REMOTE_NODE
        labels = (RESERVED[REMOTE_NODE], *cidrs)
        number = next((one.number for one in self._known.values() if one.labels == labels), 0)
        number = number or _LOCAL_NODE + 1 + sum(one >= _LOCAL_NODE for one in self._known)
        self._known[number] = Identity(number, labels)
        return number


class _Asked:
    """What the policies of a cluster ask about pods."""

    def __init__(self, world: World) -> None:
        rules = [
            rule for policy in world.policies for direction in DIRECTIONS for rule in policy.rules(direction) or ()
        ]
        peers = [peer for rule in rules for peer in rule.peers]
        self._keys = {key for policy in world.policies for key in _keys(policy.pods)}
        self._keys |= {key for peer in peers for key in _keys(peer.pods)}
        self.port_names = {port.name for rule in rules for port in rule.ports if port.name}
        named = {block for peer in peers for block in (peer.block, *peer.exceptions)}
        blocks = {one for one in named if isinstance(one, IPv4Network) and one != _EVERYTHING}
        self.blocks: Sequence[IPv4Network] = sorted(blocks, key=lambda one: (-one.prefixlen, one))

    def counts(self, key: str) -> bool:
        """Is this label one of those that make pods different?"""
        return key not in _OF_CONTROLLERS or key in self._keys


def _keys(selector: Mapping[str, object] | None) -> set[str]:
    found: set[str] = set()
    labels, expressions = (selector or {}).get("matchLabels"), (selector or {}).get("matchExpressions")
    if isinstance(labels, Mapping):
        found |= labels.keys()
    if isinstance(expressions, Sequence):
        found |= {one["key"] for one in expressions}
    return found


def _alone(address: str) -> IPv4Network:
    return IPv4Network(f"{address}/32")


def _inside(peer: Peer, block: IPv4Network) -> bool:
    """Are all these addresses among those that an ``ipBlock`` means?"""
    if not isinstance(peer.block, IPv4Network) or not block.subnet_of(peer.block):
        return False
    return not any(isinstance(one, IPv4Network) and block.subnet_of(one) for one in peer.exceptions)


def _numbered(kinds: Iterable[Labels]) -> dict[Labels, int]:
    """A number for each, that of its digest.  Where two meet, which is rare, the second takes the next that is free."""
    begins = sorted((_digest(labels) % len(WIRE), labels) for labels in kinds)
    if len(begins) > len(WIRE):
        raise BadInput(
            f"There are {len(begins)} kinds of pods, and {len(WIRE)} identities for them.",
            "Pods with the same labels share one: give them labels that say less.",
        )
    taken: dict[int, Labels] = {}
    for place, labels in begins:
        while place in taken:
            place = (place + 1) % len(WIRE)
        taken[place] = labels
    return {labels: WIRE[place] for place, labels in taken.items()}


def _digest(labels: Labels) -> int:
    return int.from_bytes(hashlib.sha256("\n".join(labels).encode()).digest()[:8], "big")
