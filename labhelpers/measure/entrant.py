"""Who takes part: networks of the course, and a bare cable that all are compared with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labhelpers.errors import BadInput
from labhelpers.networks import Calico, Canal, Cilium, Flannel, Network, PlainBridge, Weave

__all__ = ["BARE", "Entrant", "entrants", "every_network"]


@dataclass(frozen=True)
class Entrant:
    """A network, and what it is called in the tables.

    Args:
        network: none for a bare cable between two pods.
    """

    name: str
    network: Network | None


_PASSWORD = "not a secret: it is in the course"
BARE = Entrant("bare veth", None)


def every_network() -> list[Entrant]:
    """All networks of the course, each in the modes that differ on the wire."""
    return [
        Entrant("bridge", PlainBridge()),
        Entrant("Flannel host-gw", Flannel("host-gw")),
        Entrant("Flannel VXLAN", Flannel("vxlan")),
        Entrant("Flannel WireGuard", Flannel("wireguard")),
        Entrant("Calico BGP", Calico("bgp")),
        Entrant("Calico IPIP", Calico("ipip")),
        Entrant("Calico VXLAN", Calico("vxlan")),
        Entrant("Canal", Canal()),
        Entrant("Cilium eBPF", Cilium("ebpf")),
        Entrant("Cilium nft", Cilium("nft")),
        Entrant("Weave", Weave()),
        Entrant("Weave encrypted", Weave(password=_PASSWORD)),
    ]


def entrants(given: Iterable[Network | Entrant] | None) -> list[Entrant]:
    """Those that are given, each with a name of its own; every network for ``None``.

    Raises:
        BadInput: something is no network, or two have one name.
    """
    found = []
    for one in every_network() if given is None else given:
        if isinstance(one, Network):
            found.append(Entrant(_name(one), one))
        elif isinstance(one, Entrant) and one.network is not None:
            found.append(one)
        else:
            raise BadInput(f"{one!r} is no network.", "Write compare([Flannel(), Calico('bgp')]).")
    names = [one.name for one in found]
    for name in names:
        if names.count(name) > 1 or name.startswith(BARE.name):
            raise BadInput(f"The name {name!r} is taken.", "Write Entrant('another name', Flannel()).")
    if not found:
        raise BadInput("There is no network to measure.", "Write compare([Flannel(), Calico('bgp')]).")
    return found


def _name(network: Network) -> str:
    """``Calico bgp``: the class, and the settings that are not the usual ones."""
    usual = type(network)().options
    words = [
        key if value is True else f"{key}={value}" if isinstance(value, bool) else str(value)
        for key, value in network.options.items()
        if value != usual[key]
    ]
    return " ".join([type(network).__name__, *words])
