"""Who decides about a connection, and why: the policies of the sender's side, then those of the receiver's.

It reads the policies, not the kernel: it says what a network that enforces them has to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from labhelpers.errors import BadInput, NotFound
from labhelpers.networks.policy.model import DIRECTIONS, Direction, Peer, Policy, Port, Rule
from labhelpers.networks.policy.world import HasObjects, KnownPod, Objects, World, objects_of

__all__ = ["Explanation", "Side", "explain"]

#: a rule that was asked, and what of it did not fit
_Misfit = tuple[Policy, Rule, str]


@dataclass(frozen=True, slots=True)
class Side:
    """What one end's policies say of the connection."""

    direction: Direction
    #: ``namespace/name``, or the address of somebody who is no pod
    who: str
    allowed: bool
    #: the policies that isolate the pod in this direction
    isolated_by: tuple[str, ...]
    #: the policy that allows it, ``""`` if none does or none is asked
    policy: str
    #: the number of its rule, from 1; 0 if there is none
    rule: int
    why: str
    #: for each rule that was asked and did not allow it: which one, and what of it did not fit
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Is a connection allowed, and who says so on each side."""

    source: str
    destination: str
    port: int
    protocol: str
    egress: Side
    ingress: Side

    @property
    def allowed(self) -> bool:
        """Both sides have to agree."""
        return self.egress.allowed and self.ingress.allowed

    @property
    def refused_by(self) -> tuple[str, ...]:
        """The policies that isolate the side that says no, the sender's first; none where it is allowed."""
        return next((side.isolated_by for side in (self.egress, self.ingress) if not side.allowed), ())

    @property
    def why(self) -> str:
        """The decision in one sentence: of the side that says no, or of both."""
        refused = next((side for side in (self.egress, self.ingress) if not side.allowed), None)
        return refused.why if refused else f"{self.egress.why} {self.ingress.why}"


def explain(
    objects: Objects | HasObjects, source: str, destination: str, port: int, protocol: str = "TCP"
) -> Explanation:
    """Say which policy and which rule decide about a connection.  Changes nothing, and asks no kernel.

    Args:
        objects: a cluster; or the API's ``pods``, ``namespaces`` and ``networkpolicies``.
        source, destination: ``"default/web"``, ``"web"`` for one of the namespace default, or an address.
        port: 1 to 65535, of the destination.
        protocol: ``TCP`` or ``UDP``.

    Raises:
        BadInput, NotFound: there is no such pod, or it has no address.
    """
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise BadInput(f"{port!r} is not a port.", "Use a whole number from 1 to 65535.")
    if protocol not in ("TCP", "UDP"):
        raise BadInput(f"{protocol!r} is not a protocol that is enforced here.", "Use TCP or UDP.")
    return _Explainer(World(objects_of(objects)), source, destination, port, protocol).explanation()


class _Explainer:
    def __init__(self, world: World, source: str, destination: str, port: int, protocol: str) -> None:
        self._world, self._port, self._protocol = world, port, protocol
        self._ends: dict[Direction, tuple[str, str, KnownPod | None]] = {
            "egress": self._end(source),
            "ingress": self._end(destination),
        }

    def explanation(self) -> Explanation:
        (source, *_), (destination, *_) = self._ends["egress"], self._ends["ingress"]
        egress, ingress = (self._side(direction) for direction in DIRECTIONS)
        return Explanation(source, destination, self._port, self._protocol, egress, ingress)

    def _end(self, name: str) -> tuple[str, str, KnownPod | None]:
        """Its name, its address, and the pod if it is one."""
        try:
            address = str(ip_address(name))
        except ValueError:
            pod = self._world.pod(name if "/" in name else f"default/{name}")
            if pod is None:
                there = ", ".join(map(str, self._world.pods)) or "none"
                raise NotFound(f"There is no pod {name!r} with an address of its own.", f"Pods: {there}.") from None
            return str(pod), pod.address, pod
        pod = self._world.pod(address)
        return str(pod or address), address, pod

    def _side(self, direction: Direction) -> Side:
        name, _, pod = self._ends[direction]
        if pod is None:
            return Side(direction, name, True, (), "", 0, f"{name} is no pod: no policy is about its {direction}.")
        if self._ends["egress"][1] == self._ends["ingress"][1]:
            return Side(direction, name, True, (), "", 0, f"{name} talks to itself: the packet never leaves the pod.")
        isolating = [
            policy
            for policy in self._world.policies
            if policy.rules(direction) is not None and pod in self._world.in_namespace(policy.namespace, policy.pods)
        ]
        by = tuple(map(str, isolating))
        if not by:
            why = f"{name} is not isolated for {direction}: no policy that selects it is about {direction}."
            return Side(direction, name, True, (), "", 0, why)
        misfits: list[_Misfit] = []
        for policy in isolating:
            for rule in policy.rules(direction) or ():
                misfit = self._misfit(policy, rule, direction)
                if not misfit:
                    words = f"{policy}, {direction} rule {rule.number}, allows it: {rule.words(direction)}."
                    return Side(direction, name, True, by, str(policy), rule.number, words, tuple(_said(misfits)))
                misfits.append((policy, rule, misfit))
        many = f"{by[0]} isolates" if len(by) == 1 else f"{', '.join(by)} isolate"
        none = "its rules do not allow" if len(by) == 1 else "none of their rules allows"
        if not misfits:
            none = "has no rule that allows" if len(by) == 1 else "have no rule that allows"
        why = f"{many} {name} for {direction}, and {none} it."
        return Side(direction, name, False, by, "", 0, why, tuple(_said(misfits)))

    def _misfit(self, policy: Policy, rule: Rule, direction: Direction) -> str:
        """What of the rule does not fit the connection; ``""`` if it allows it."""
        other, address, pod = self._ends["ingress" if direction == "egress" else "egress"]
        wrong = []
        if rule.peers and not any(self._meant(peer, policy, address, pod) for peer in rule.peers):
            wrong.append(f"{other} is not among {' or '.join(map(str, rule.peers))}")
        if rule.ports and not any(map(self._fits, rule.ports)):
            wrong.append(f"{self._protocol} {self._port} is not {' or '.join(map(str, rule.ports))}")
        return ", and ".join(wrong)

    def _meant(self, peer: Peer, policy: Policy, address: str, pod: KnownPod | None) -> bool:
        if peer.block is None:
            return pod is not None and pod in self._world.pods_of(peer, policy.namespace)
        found = ip_address(address)
        return found in peer.block and not any(found in one for one in peer.exceptions)

    def _fits(self, port: Port) -> bool:
        if port.protocol != self._protocol:
            return False
        if port.name:
            destination = self._ends["ingress"][2]
            return destination is not None and (port.protocol, port.name, self._port) in destination.ports
        return not port.first or port.first <= self._port <= port.last


def _said(misfits: list[_Misfit]) -> Iterator[str]:
    for policy, rule, misfit in misfits:
        yield f"{policy} rule {rule.number}: {misfit}"
