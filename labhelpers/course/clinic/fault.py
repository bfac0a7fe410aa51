"""What a fault is: what breaks, where, which layer of the network it is in, and how it is mended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["LAYERS", "Fault", "Step"]

#: what ``why`` in an answer can be, from the cable up
LAYERS = (
    "cable", "bridge", "address", "route", "neighbour", "fdb", "mtu", "rp_filter", "forwarding", "nat", "firewall",
    "policy", "cni", "ipam", "bgp", "key", "dns", "process",
)  # fmt: skip


class Step(NamedTuple):
    """A shell command and the place it is run in: a namespace, a node, or ``kubectl``, which is the notebook's own."""

    place: str
    command: str

    def __str__(self) -> str:
        return self.command if self.place == "kubectl" else f"{self.place}$ {self.command}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong.

    ``steps`` and ``cure`` are shell commands that a learner could type, and each undoes the other: what a command
    shows between the two is the evidence that an answer is graded by.
    """

    id: str
    #: 1 is found at the first look, 4 has to be hunted
    level: int
    #: one of LAYERS
    layer: str
    #: where it is: a namespace, or an object of the cluster as ``namespace/name``
    where: str
    #: the key of a ward, which builds the network that it is in
    ward: str
    #: what somebody says who does not know what is wrong
    complaint: str
    #: between whom a walk shows it
    between: tuple[str, str]
    steps: tuple[Step, ...]
    cure: tuple[Step, ...]
    #: why this makes what was complained of
    story: str
    hints: tuple[str, ...]
    #: a command that shows it, run where it is
    evidence: str
    #: other places where it can be seen as well
    also: tuple[str, ...] = ()
    #: another layer that is as right an answer: what is wrong is wrong for both together
    or_layer: str = ""

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that is a right answer to the question where it is."""
        return (self.where, *self.also)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that is a right answer to the question why."""
        return (self.layer, self.or_layer) if self.or_layer else (self.layer,)
