"""``Enforcer``: keeps one node's nftables equal to what the cluster's policies say."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from labhelpers.errors import BadInput
from labhelpers.lab import Node
from labhelpers.linux import namespace, nft_library
from labhelpers.linux.records import Rows
from labhelpers.networks.policy.compile import SPEAKS, compiled
from labhelpers.networks.policy.counters import Counter, counters_in
from labhelpers.networks.policy.model import DIRECTIONS
from labhelpers.networks.policy.portions import in_portions
from labhelpers.networks.policy.ruleset import BASE, MAPS, TABLE, Ruleset, delta, rebuilt
from labhelpers.networks.policy.world import Objects, World

__all__ = ["Applied", "Enforcer", "without_effect"]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a call of ``apply`` did."""

    #: the commands of nft; ``""`` if everything was in order
    commands: str
    #: was the table different from what had been loaded: changed by hand, or not ours?
    repaired: bool = False
    #: what of the policies has no effect here, in words
    notes: tuple[str, ...] = ()
    #: in how many transactions: one, but where an ordinary user loads more than may be sent at once
    transactions: int = 1

    @property
    def changed(self) -> bool:
        """Was anything changed?"""
        return bool(self.commands)


class Enforcer:
    """The part of a node agent that enforces NetworkPolicies, in the table ``ip network_policy`` of the node.

    Packets that the node forwards from and to its own pods are asked about.  What the node itself sends to its pods, or
    gets from them, is not, so that the kubelet can probe them; connections that have begun go on.

    A new enforcer knows nothing of what an earlier one has loaded, and finds it in the kernel.

    Args:
        node: a lab's node; or its name, for an agent that lives in the node's own namespace.
    """

    def __init__(self, node: Node | str) -> None:
        self._node, self._namespace = (node, namespace.home()) if isinstance(node, str) else (node.name, node._kernel)
        self._loaded: Ruleset | None = None
        #: the kernel's count of transactions, and its listing of the table, right after our last one
        self._generation, self._listing = 0, ""

    def apply(self, objects: Objects) -> Applied:
        """Load what the policies mean for the node's pods, in one transaction: all of it, or nothing.

        What is too long for one, as more than about 150 policies at once are for an ordinary user, comes in several.
        Between the first and the last of them no new connection of an isolated pod begins.

        Args:
            objects: the API's ``pods``, ``namespaces`` and ``networkpolicies``, of the whole cluster.

        Raises:
            BadInput: a policy cannot be read, or nft does not accept the rules; the node enforces what it did before.

        Shell: ``nft -f -``, with the commands that are returned.
        """
        world = World(objects)
        wanted = compiled(world, self._node)
        known = self._loaded
        drifted = self.drifted()
        commands = self._rebuild(wanted) if known is None or drifted else self._change(known, wanted)
        self._loaded = wanted
        return Applied("\n".join(commands), known is not None and drifted, without_effect(world), len(commands))

    def drifted(self) -> bool:
        """Is the kernel's table not the one that was loaded, as when somebody deleted a rule?  Changes nothing.

        As long as nobody changed any table of the node, that is one short question to the kernel.
        """
        if self._loaded is None:
            return False
        generation = nft_library.generation(self._namespace)
        if generation == self._generation:
            return False
        if not self._listing or nft_library.listing(self._namespace, TABLE) != self._listing:
            return True
        self._generation = generation
        return False

    def counters(self) -> Rows[Counter]:
        """How many packets each rule has allowed, and how many were dropped of each pod.  Changes nothing.

        Shell: ``nft list table ip network_policy``.
        """
        return counters_in(nft_library.parsed(self._namespace, TABLE), self._node)

    def ruleset(self) -> str:
        """The table as text; ``""`` if there is none.  Shell: ``nft --stateless list table ip network_policy``."""
        return nft_library.listing(self._namespace, TABLE)

    def clean(self) -> None:
        """Remove the table: nothing is enforced on this node any more.  That there is none is no error.

        Shell: ``nft delete table ip network_policy``.
        """
        nft_library.load(self._namespace, f"add table {TABLE}\ndelete table {TABLE}")
        self._loaded = None

    def _change(self, known: Ruleset, wanted: Ruleset) -> list[str]:
        """The transaction that was made, if any was needed."""
        commands = delta(known, wanted)
        if not commands:
            return []
        try:
            self._load(commands)
        except BadInput as error:
            if error.errno != errno.EMSGSIZE:
                raise
            return self._rebuild(wanted)
        return [commands]

    def _rebuild(self, wanted: Ruleset) -> list[str]:
        there = nft_library.parsed(self._namespace, TABLE)
        ours = {chain for chain, _, _ in BASE.values()}
        chains = [one["chain"]["name"] for one in there if "chain" in one and one["chain"]["name"] not in ours]
        sets = [one["set"]["name"] for one in there if "set" in one]
        maps = [one["map"]["name"] for one in there if "map" in one and one["map"]["name"] not in MAPS.values()]
        try:
            commands = rebuilt(wanted, chains, [*sets, *maps])
            self._load(commands)
        except BadInput as error:
            if error.errno == errno.EMSGSIZE:
                return self._load_in_portions(in_portions(wanted, chains, [*sets, *maps]))
            # something of our names but of another kind is there, made by hand: only then is the table made anew
            commands = f"add table {TABLE}\ndelete table {TABLE}\n{rebuilt(wanted)}"
            self._load(commands)
        return [commands]

    def _load_in_portions(self, portions: list[str]) -> list[str]:
        self._loaded = None  # until the last one is there, nobody knows what is
        self._load(*portions)
        return portions

    def _load(self, *transactions: str) -> None:
        before = nft_library.generation(self._namespace)
        for one in transactions:
            nft_library.load(self._namespace, one)
        self._listing = nft_library.listing(self._namespace, TABLE)
        self._generation = nft_library.generation(self._namespace)
        if self._generation != before + len(transactions):
            # somebody else changed a table meanwhile, perhaps this one: look again
            self._listing = ""


def without_effect(world: World) -> tuple[str, ...]:
    """Ports of protocols that are not spoken here allow nothing; the policy isolates all the same."""
    return tuple(
        f"{policy} {direction} rule {rule.number}: {port} is not enforced here and so not allowed; "
        f"only {' and '.join(SPEAKS)} are"
        for policy in world.policies
        for direction in DIRECTIONS
        for rule in policy.rules(direction) or ()
        for port in rule.ports
        if port.protocol not in SPEAKS
    )
