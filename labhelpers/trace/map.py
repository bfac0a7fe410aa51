"""What a walk needs to know of the lab: who is where, and what is plugged into what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from labhelpers.topology.model import NamespaceState, Snapshot

__all__ = ["Map", "Place"]

Place = tuple[str, str]  # namespace, interface


@dataclass
class Map:
    """A snapshot, looked up by what stands in packets.

    ``names`` are the namespaces in the order in which they are tapped.
    """

    names: Sequence[str]
    kinds: dict[Place, str] = field(default_factory=dict)
    masters: dict[Place, str] = field(default_factory=dict)
    peers: dict[Place, Place] = field(default_factory=dict)
    #: the interface that has a MAC address; one that several have is left out
    macs: dict[str, str] = field(default_factory=dict)
    #: the MAC address of each interface
    own: dict[Place, str] = field(default_factory=dict)
    #: the interface that has an IP address
    addresses: dict[str, Place] = field(default_factory=dict)
    states: dict[str, NamespaceState] = field(default_factory=dict)

    @classmethod
    def of(cls, snapshot: Snapshot, names: Sequence[str]) -> Map:
        """The lookup tables of a snapshot."""
        drawn = cls(names)
        shared: set[str] = set()
        for state in snapshot:
            drawn.states[state.name] = state
            for link in state.links:
                place = (state.name, link.name)
                drawn.kinds[place], drawn.own[place] = link.kind, link.mac
                if link.master:
                    drawn.masters[place] = link.master
                for address in link.addresses:
                    if link.kind != "loopback":
                        drawn.addresses.setdefault(address.split("/")[0], place)
                # a bridge may take the address of one of its ports; the bridge is who answers
                if link.mac in drawn.macs and link.kind != "bridge" and not drawn.macs[link.mac].startswith(state.name):
                    shared.add(link.mac)
                if link.mac not in drawn.macs or link.kind == "bridge":
                    drawn.macs[link.mac] = f"{state.name}/{link.name}"
        for mac in shared:
            drawn.macs.pop(mac, None)
        for cable in snapshot.cables:
            a, b = (cable.a.namespace, cable.a.link), (cable.b.namespace, cable.b.link)
            drawn.peers[a], drawn.peers[b] = b, a
        return drawn

    def whose(self, mac: str, here: Place) -> str:
        """The interface with this MAC address, with the address behind it; if several have it, the one ``here``."""
        owner = "/".join(here) if self.own.get(here) == mac else self.macs.get(mac)
        return f"{owner} ({mac})" if owner else mac
