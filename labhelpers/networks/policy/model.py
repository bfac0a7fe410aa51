"""What NetworkPolicies say, read from the API's objects: who is selected, who may talk to whom, on which ports.

Nothing here touches a kernel.  Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and
the API reference of NetworkPolicy v1 (networking.k8s.io).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, IPv6Network, ip_network
from typing import Any, Literal

from labhelpers.errors import BadInput

__all__ = ["DIRECTIONS", "Direction", "Peer", "Policy", "Port", "Rule", "read_policy", "selector_words"]

Direction = Literal["egress", "ingress"]
DIRECTIONS: tuple[Direction, Direction] = ("egress", "ingress")
#: what the API lets names be made of; they become names in the language of nft
_PLAIN = re.compile(r"[a-z0-9.-]+")
_PEERS = {"egress": "to", "ingress": "from"}


@dataclass(frozen=True, slots=True)
class Port:
    """One entry of ``ports``: a protocol, and all its ports, some of them, or those that pods call by a name."""

    protocol: str
    first: int = 0
    last: int = 0
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return f"{self.protocol} {self.name}"
        if not self.first:
            return f"every {self.protocol} port"
        return f"{self.protocol} {self.first}" + (f"-{self.last}" if self.last > self.first else "")


@dataclass(frozen=True, slots=True)
class Peer:
    """One entry of ``from`` or ``to``: pods by selectors, or a block of addresses less some others."""

    #: as in the API; ``None`` where the entry has none.  Without ``namespaces`` the policy's own namespace is meant
    namespaces: Mapping[str, Any] | None = None
    pods: Mapping[str, Any] | None = None
    block: IPv4Network | IPv6Network | None = None
    exceptions: tuple[IPv4Network | IPv6Network, ...] = ()

    def __str__(self) -> str:
        if self.block is not None:
            less = f" without {', '.join(map(str, self.exceptions))}" if self.exceptions else ""
            return f"addresses in {self.block}{less}"
        pods = selector_words(self.pods, "pods")
        if self.namespaces is None:
            return f"{pods} of its own namespace"
        return f"{pods} of {selector_words(self.namespaces, 'namespaces')}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``ingress`` or ``egress``.  No peers: everybody.  No ports: every port of every protocol."""

    number: int
    peers: tuple[Peer, ...]
    ports: tuple[Port, ...]

    def words(self, direction: Direction) -> str:
        """``from pods with app=web, on TCP 80``."""
        who = " or ".join(map(str, self.peers)) or ("anybody" if direction == "ingress" else "anywhere")
        ports = " or ".join(map(str, self.ports))
        return f"{_PEERS[direction]} {who}" + (f", on {ports}" if ports else "")


@dataclass(frozen=True, slots=True)
class Policy:
    """One NetworkPolicy.  ``ingress`` or ``egress`` is ``None`` where it says nothing about that direction."""

    namespace: str
    name: str
    pods: Mapping[str, Any]
    ingress: tuple[Rule, ...] | None
    egress: tuple[Rule, ...] | None

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"

    def rules(self, direction: Direction) -> tuple[Rule, ...] | None:
        """What it allows in this direction, ``None`` if it does not isolate there."""
        return self.ingress if direction == "ingress" else self.egress


def selector_words(selector: Mapping[str, Any] | None, what: str) -> str:
    """A label selector in words: ``pods with app=web, tier in (a, b)``."""
    parts = [f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items())]
    for one in (selector or {}).get("matchExpressions") or ():
        values = ", ".join(sorted(one.get("values") or ()))
        words = {"In": f"in ({values})", "NotIn": f"not in ({values})", "Exists": "there", "DoesNotExist": "not there"}
        parts.append(f"{one['key']} {words.get(one['operator'], one['operator'])}")
    return f"{what} with {', '.join(parts)}" if parts else f"all {what}"


def read_policy(obj: Mapping[str, Any]) -> Policy:
    """A policy from the API's object, also from one that no API server has given its defaults.

    Raises:
        BadInput: it cannot be understood; an API server refuses it, too.
    """
    meta, spec = obj["metadata"], obj.get("spec") or {}
    namespace, name = meta.get("namespace") or "default", meta["name"]
    if not _PLAIN.fullmatch(namespace) or not _PLAIN.fullmatch(name):
        raise BadInput(f"{namespace}/{name} is no name of a policy.", "Use lower case letters, digits, '-' and '.'.")
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    try:
        rules = {
            direction: tuple(
                _rule(number, entry, direction) for number, entry in enumerate(spec.get(direction) or (), 1)
            )
            if direction.capitalize() in types
            else None
            for direction in DIRECTIONS
        }
    except (ValueError, LookupError, TypeError, AddressValueError) as error:
        raise BadInput(
            f"The policy {namespace}/{name} cannot be read: {error}.", "Compare it with kubectl explain networkpolicy."
        ) from None
    return Policy(namespace, name, spec.get("podSelector") or {}, rules["ingress"], rules["egress"])


def _rule(number: int, entry: Mapping[str, Any], direction: str) -> Rule:
    peers = tuple(_peer(one) for one in entry.get(_PEERS[direction]) or ())
    return Rule(number, peers, tuple(_port(one) for one in entry.get("ports") or ()))


def _peer(entry: Mapping[str, Any]) -> Peer:
    block = entry.get("ipBlock")
    if block:
        return Peer(block=_network(block["cidr"]), exceptions=tuple(map(_network, block.get("except") or ())))
    namespaces, pods = entry.get("namespaceSelector"), entry.get("podSelector")
    if namespaces is None and pods is None:
        raise ValueError("an entry of from or to names nobody")
    return Peer(namespaces, pods)


def _network(text: str) -> IPv4Network | IPv6Network:
    return ip_network(text, strict=False)  # the API takes 10.0.1.10/24, too, and means 10.0.1.0/24


def _port(entry: Mapping[str, Any]) -> Port:
    protocol, port = entry.get("protocol") or "TCP", entry.get("port")
    if port is None:
        return Port(protocol)
    if isinstance(port, str):
        if not _PLAIN.fullmatch(port):
            raise ValueError(f"{port!r} is no name of a port")
        return Port(protocol, name=port)
    return Port(protocol, int(port), int(entry.get("endPort") or port))
