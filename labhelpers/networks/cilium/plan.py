"""``planned``: all that one node's datapath is told, from the API's objects and what the node itself says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

from labhelpers.networks.attach.cilium_host import router_of
from labhelpers.networks.cilium.compile import ipcache, rules
from labhelpers.networks.cilium.datapath import Endpoint, Located, Service, Wanted
from labhelpers.networks.cilium.identity import INIT, Identities
from labhelpers.networks.policy.world import World
from labhelpers.networks.route.other import Other

__all__ = ["Attached", "planned"]


@dataclass(frozen=True, slots=True)
class Attached:
    """A pod that a node has a cable and a route to, as its kernel says."""

    address: str
    #: the node's end of the cable
    interface: str
    #: of the pod's end
    mac: str


def planned(
    world: World,
    node: Other,
    peers: Sequence[Other],
    attached: Iterable[Attached],
    own: Iterable[str],
    *,
    tunnel: bool,
    services: Iterable[Service] = (),
) -> tuple[Wanted, Identities]:
    """Touches no kernel.

    Args:
        attached: the pods of the node.
        own: all addresses of the node.

    Raises:
        BadInput: there are more kinds of pods than identities.
    """
    ends = [router_of(one) for one in peers]
    identities = Identities(world, [*(one.address for one in peers), *ends])
    own = frozenset(own)
    cache = ipcache(identities, node, peers, own, ends)
    alone = {one.block: one.identity for one in cache}
    here = tuple(
        Endpoint(one.address, one.interface, one.mac, alone.get(f"{one.address}/32") or _identity(cache, one.address))
        for one in sorted(attached, key=lambda one: one.address)
    )
    found = rules(world, identities, (one.identity for one in here))
    wanted = Wanted(
        node.name,
        node.address,
        own,
        tuple(sorted(one.pod_cidr for one in (node, *peers))),
        tunnel,
        here,
        cache,
        found.isolated,
        found.allowed,
        tuple(services),
    )
    return wanted, identities


def _identity(cache: Sequence[Located], address: str) -> int:
    """By the longest prefix; the lines are in the order of their blocks, so that it is the last that fits."""
    alone = IPv4Network(address)
    return next((one.identity for one in reversed(cache) if alone.subnet_of(IPv4Network(one.block))), INIT)
