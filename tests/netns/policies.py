"""A lab in which policies are enforced: two nodes with the pods of the recipes, and a third that is ``outside``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from labhelpers.conformance.policy.recipes import CAST, OUTSIDE, cast
from labhelpers.lab import Lab, Node
from labhelpers.networks.policy import Applied, Enforcer, through_the_node
from labhelpers.networks.route import HostGateway

__all__ = ["Policed"]


class Policed:
    """The lab, the API's objects of its pods, and an enforcer on each node."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.nodes: list[Node] = [lab.node(f"node-{number}") for number in (1, 2)]
        self.stranger = lab.node("node-3")
        self.carrier = HostGateway(lab)
        self.pods = {
            name: self.nodes[number % 2].pod(name.replace("/", "-")) for number, name in enumerate(sorted(CAST))
        }
        for node in self.nodes:
            through_the_node(node)
        self.enforcers = [Enforcer(node) for node in self.nodes]
        addresses = {name: pod.address for name, pod in self.pods.items()}
        self.objects: dict[str, list[Any]] = cast(addresses, {name: pod.node.name for name, pod in self.pods.items()})
        self.outside = {OUTSIDE: self.stranger.address}

    def enforce(self, policies: Iterable[Any]) -> list[Applied]:
        """Let every node enforce these policies, and no others."""
        self.objects["networkpolicies"] = list(policies)
        return [enforcer.apply(self.objects) for enforcer in self.enforcers]
