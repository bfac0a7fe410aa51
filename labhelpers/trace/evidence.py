"""What is known about a packet that did not arrive."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from labhelpers.errors import LabError
from labhelpers.linux import route, sysctl
from labhelpers.linux.counters import Counts
from labhelpers.linux.headers import Header
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import NetlinkRefusal
from labhelpers.linux.probe import Answer, Probe
from labhelpers.linux.records import Link, Route
from labhelpers.trace.again import Told
from labhelpers.trace.hop import Hop
from labhelpers.trace.map import Map
from labhelpers.trace.questions import Asked

__all__ = ["Decision", "Evidence"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a routing table decides."""

    #: ``local``: it is for the namespace itself; ``unicast``: it is sent on; ``""``: refused, or not known
    kind: str = ""
    #: the next router, ``""`` if the destination is directly connected
    via: str = ""
    device: str = ""
    #: the errno by which it is refused
    error: str = ""


@dataclass
class Evidence:
    """Everything that was seen and counted while a probe was on its way."""

    source: str
    target: str
    probe: Probe
    answer: Answer
    hops: Sequence[Hop]
    map: Map
    #: what each namespace counted meanwhile
    counted: dict[str, Counts]
    namespaces: dict[str, NetworkNamespace]
    #: ARP requests, and the addresses that answered
    asked: Sequence[Asked] = ()
    #: namespaces and the addresses whose owner they were told
    answered: frozenset[tuple[str, str]] = frozenset()
    #: what the kernel told when the probe was sent again
    told: Told = field(default_factory=Told)
    _settings: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def last(self) -> Hop | None:
        """Where it was last seen, but for copies that nobody takes and for ICMP errors about it."""
        real = [hop for hop in self.hops if not hop.astray and not hop.packet.startswith("error")]
        return real[-1] if real else None

    @property
    def errors(self) -> list[Hop]:
        """Where ICMP errors about it began."""
        return [hop for hop in self.hops if hop.packet.startswith("error") and hop.by == "sent"]

    def grew(self, namespace: str, *names: str) -> tuple[str, ...]:
        """Those of the counters that grew meanwhile, with by how much: ``Ip.OutNoRoutes +1``."""
        counted = self.counted.get(namespace, {})
        return tuple(f"{namespace}: {name} +{counted[name]}" for name in names if name in counted)

    def setting(self, namespace: str, name: str) -> str:
        """A kernel setting of a namespace, ``""`` if it cannot be read."""
        key = namespace, name
        if key not in self._settings:
            try:
                self._settings[key] = self.namespaces[namespace].visit(lambda: sysctl.read(name))
            except (KeyError, LabError):
                self._settings[key] = ""
        return self._settings[key]

    def link(self, namespace: str, device: str) -> Link | None:
        """The interface as it was when the walk began."""
        state = self.map.states.get(namespace)
        return next((one for one in state.links if one.name == device), None) if state else None

    def decision(self, namespace: str, to: str, *, source: str = "", device: str = "") -> Decision:
        """What the kernel of a namespace would do with a packet, all rules and tables considered.

        Args:
            source: the packet's source address.
            device: the interface that it comes in by; ``""`` for one that the namespace sends itself.
        """
        incoming = self.link(namespace, device) if device else None
        try:
            with self.namespaces[namespace].socket() as socket:
                found = route.get(socket, to, source=source, incoming=incoming.index if incoming else 0)
        except NetlinkRefusal as refusal:
            return Decision(error=errno.errorcode.get(refusal.errno or 0, ""))
        except LabError:
            return Decision()
        via, index, kind = found
        state = self.map.states.get(namespace)
        name = next((one.name for one in state.links if one.index == index), "") if state else ""
        return Decision(kind, via, name)

    def special_route(self, namespace: str, to: str) -> Route | None:
        """The most specific route that refuses or swallows what is for this address."""
        state = self.map.states.get(namespace)
        wanted = IPv4Address(to)
        found = [
            (block.prefixlen, one)
            for one in (state.routes if state else ())
            if one.kind != "unicast" and ":" not in one.destination
            if wanted in (block := IPv4Network("0.0.0.0/0" if one.destination == "default" else one.destination))
        ]
        return max(found, key=lambda one: one[0])[1] if found else None

    def no_answer_from(self, namespace: str, address: str) -> str:
        """The interface on which a namespace asks in vain for the owner of an address, ``""`` if it does not."""
        if (namespace, address) in self.answered:
            return ""
        asked = (one.device for one in self.asked if (one.namespace, one.address) == (namespace, address))
        state = self.map.states.get(namespace)
        noted = (
            one.device
            for one in (state.neighbours if state else ())
            if one.address == address and one.state in ("incomplete", "failed")
        )
        return next(asked, "") or next(noted, "")

    def has_address(self, namespace: str, address: str) -> bool:
        """Does an interface of the namespace have this address?"""
        state = self.map.states.get(namespace)
        links = state.links if state else ()
        return any(one.split("/")[0] == address for link in links for one in link.addresses)

    @staticmethod
    def ip(hop: Hop) -> Header | None:
        """The outermost IP header: what the router at this place looks at."""
        return next((one for one in hop.headers if one.protocol in ("IPv4", "IPv6")), None)

    @staticmethod
    def is_wrapped(hop: Hop) -> bool:
        """Is it still inside a tunnel's packet?"""
        carried = [one for one in hop.headers if one.protocol in ("IPv4", "IPv6") and not one.quoted]
        return hop.inferred or len(carried) > 1
