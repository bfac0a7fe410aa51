"""``CiliumNode``: keeps the datapath of one node as its kernel, the other nodes and the API's objects say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from labhelpers.cni.plugin.kernel import fixed_mac
from labhelpers.lab import Node
from labhelpers.linux.tables import Tables
from labhelpers.networks.attach import cilium_host
from labhelpers.networks.cilium.datapath import Datapath, Wanted
from labhelpers.networks.cilium.identity import Identities
from labhelpers.networks.cilium.plan import Attached, planned
from labhelpers.networks.cilium.proxies import hand_over
from labhelpers.networks.cilium.services import services_of
from labhelpers.networks.policy import Applied
from labhelpers.networks.policy.enforcer import without_effect
from labhelpers.networks.policy.world import Objects, World
from labhelpers.networks.route.other import Other

__all__ = ["CiliumNode"]

_CABLE = "lxc"


class CiliumNode:
    """The part of the agent that the product calls its daemon.

    Args:
        peers: asked for the other nodes each time.
        tunnel: do packets for other nodes' pods go by ``cilium_vxlan``?
    """

    def __init__(self, node: Node, peers: Callable[[], Sequence[Other]], datapath: Datapath, *, tunnel: bool) -> None:
        self._node, self._peers, self._tunnel = node, peers, tunnel
        self.datapath = datapath
        #: those of the last call
        self.identities = Identities(World({}))
        #: what the last call was told, and what followed from it: an agent looks every second, mostly at the same
        self._known: tuple[Any, ...] = ()
        self._planned: tuple[Wanted, tuple[str, ...]]

    def apply(self, objects: Objects) -> Applied:
        """See ``Enforces.apply``.  The pods are those to which the node has a cable and a route."""
        cilium_host.ensure(self._node)
        tables, peers = self._node._tables(), list(self._peers())
        own = {text.split("/")[0] for one in tables.links for text in one.addresses if ":" not in text}
        wanted, notes = self._plan(objects, peers, tuple(_attached(tables)), frozenset(own))
        applied = replace(self.datapath.apply(wanted), notes=notes)
        hand_over(self._node)
        return applied

    def _plan(
        self, objects: Objects, peers: list[Other], attached: tuple[Attached, ...], own: frozenset[str]
    ) -> tuple[Wanted, tuple[str, ...]]:
        # as text, because the objects may be the same ones, with something in them changed
        told = (json.dumps(objects), [(one.name, one.address, one.pod_cidr) for one in peers], attached, own)
        if told != self._known:
            world, tunnel = World(objects), self._tunnel and bool(peers)
            wanted, self.identities = planned(
                world, self._node, peers, attached, own, tunnel=tunnel, services=services_of(objects)
            )
            self._known, self._planned = told, (wanted, without_effect(world))
        return self._planned

    def clean(self) -> None:
        """See ``Enforces.clean``."""
        self.datapath.clean()


def _attached(tables: Tables) -> Iterator[Attached]:
    """Each pod's address is the destination of the route by its cable, whose owner is in its alias."""
    cables = {one.name: one for one in tables.links if one.name.startswith(_CABLE)}
    for route in tables.routes:
        cable = cables.get(route.device)
        if cable and route.table == "main" and route.destination.endswith("/32") and not route.via:
            owner = cable.alias.split(" ")[1:]
            yield Attached(route.destination.removesuffix("/32"), cable.name, fixed_mac(*owner))
