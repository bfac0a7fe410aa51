"""What a fault is: what breaks, where, which layer of the network it is in, and how it is mended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from labhelpers.errors import BadInput

__all__ = ["LAYERS", "WORDS", "Disguise", "Fault", "Step", "layer"]

#: what ``why`` in an answer can be, from the cable up
LAYERS = (
    "cable", "bridge", "address", "route", "neighbour", "fdb", "mtu", "rp_filter", "forwarding", "nat", "firewall",
    "policy", "cni", "ipam", "bgp", "key", "dns", "process",
)  # fmt: skip


#: other words for a layer, as one of it
WORDS = {
    "cable": ("link", "interface", "veth", "carrier"),
    "bridge": ("switch", "port"),
    "address": ("ip", "ip address", "addr", "prefix", "subnet"),
    "route": ("routing", "routing table", "ip route", "rule", "ip rule"),
    "neighbour": ("neighbor", "neigh", "arp"),
    "fdb": ("forwarding database", "bridge fdb"),
    "rp_filter": ("reverse path filter", "reverse path"),
    "forwarding": ("forward", "ip forward", "ip forwarding"),
    "nat": ("masquerade", "snat", "dnat"),
    "firewall": ("nft", "nftable", "nft rule", "netfilter", "iptable", "filter"),
    "policy": ("network policy", "networkpolicy"),
    "cni": ("plugin", "cni config", "cni configuration", "cni plugin"),
    "ipam": ("address range", "range"),
    "bgp": ("bird", "bgp session", "session", "peering"),
    "key": ("wireguard", "public key"),
    "dns": ("name", "resolver", "resolv.conf"),
    "process": ("server", "listener", "listen", "port not listening", "process not listening"),
}


def layer(word: str) -> str:
    """The layer that a word means: its name, in any spelling, or another word for it.

    Raises:
        BadInput: it means none.
    """
    plain = " ".join(re.split(r"[\s_-]+", word.strip().lower()))
    one = {plain, plain.removesuffix("s"), plain.removesuffix("es"), re.sub("ies$", "y", plain)}
    for name in LAYERS:
        if one & {name.replace("_", " "), *WORDS.get(name, ())}:
            return name
    raise BadInput(f"There is no layer {word!r}.", f"Choose one of {', '.join(LAYERS)}.")


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
    #: between whom a walk shows it; nobody, where no packet is on its way
    between: tuple[str, str] | tuple[()]
    steps: tuple[Step, ...]
    cure: tuple[Step, ...]
    #: why this makes what was complained of
    story: str
    hints: tuple[str, ...]
    #: a command that shows it, run where it is
    evidence: str
    #: other places where it can be seen as well
    also: tuple[str, ...] = ()
    #: another layer that is as right an answer: it can be seen there too, or is wrong for both together
    or_layer: str = ""
    #: what the walk's probe is, if it is not the ward's usual one: a TCP or UDP port, or a number of bytes
    tcp: int | None = None
    udp: int | None = None
    size: int | None = None
    #: words of an event or a message that nothing else makes.  They stay there when it is mended, and so are evidence
    #: as they are
    says: str = ""
    #: seconds that daemons need until everything shows that something has changed; a cable has its signal so late
    lag: float = 1.5

    @property
    def own(self) -> Step:
        """The command that shows it, and where it is run."""
        return Step("kubectl" if "/" in self.where else self.where, self.evidence)

    @property
    def places(self) -> tuple[str, ...]:
        """Every place that is a right answer to the question where it is."""
        return (self.where, *self.also)

    @property
    def layers(self) -> tuple[str, ...]:
        """Every layer that is a right answer to the question why."""
        return (self.layer, self.or_layer) if self.or_layer else (self.layer,)


@dataclass(frozen=True, slots=True)
class Disguise:
    """What looks as if it were wrong, beside what is."""

    steps: tuple[Step, ...]
    #: why each of it harms nobody
    story: str
