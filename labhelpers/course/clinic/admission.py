"""``admit``: a fresh network with something wrong in it, by name or at random."""

from __future__ import annotations

import random

from IPython.core.getipython import get_ipython

from labhelpers.course.clinic import in_clusters, in_labs
from labhelpers.course.clinic.case import Case
from labhelpers.course.clinic.fault import Fault, Step
from labhelpers.errors import BadInput, NotFound

__all__ = ["FAULTS", "HERRINGS", "NUMBERED", "PAIRS", "admit", "cases"]

_HARDEST = 4
FAULTS: dict[str, Fault] = {fault.id: fault for fault in (*in_labs.FAULTS, *in_clusters.FAULTS)}

#: two things are wrong, and while one is, the other is hard to see
PAIRS: dict[str, tuple[str, str]] = {
    "two-cables": ("host-end-down", "no-way-across"),
    "two-silences": ("black-hole-back", "firewall-on-node"),
    "two-at-home": ("nobody-listens", "isolated-ports"),
}

#: one thing is wrong, and others only look as if they were
HERRINGS: dict[str, tuple[str, tuple[Step, ...]]] = {
    "old-wires": (
        "wrong-next-hop",
        (
            Step("node-1", "ip link add br-old type bridge; ip address add 172.17.0.1/16 dev br-old"),
            Step("node-2", "nft 'add table ip old; add chain ip old c { type filter hook forward priority 5; };"
                 " add rule ip old c tcp dport 8080 counter accept'"),
            Step("pod-b", "ip route add blackhole 203.0.113.0/24"),
        ),
    ),
    "busy-node": (
        "port-of-another",
        (
            Step("node-1", "ip route add 10.0.3.0/24 via 192.168.1.12"),
            Step("node-1", "ip rule add from 172.17.0.0/16 lookup 42"),
            Step("node-2", "sysctl -qw net.ipv4.conf.all.rp_filter=2"),
            Step("pod-d", "ip neigh replace 10.0.2.77 lladdr 02:00:00:00:00:77 dev eth0 nud permanent"),
        ),
    ),
}  # fmt: skip

#: the number of a case is its place here: a name would tell too much, so new cases come last
NUMBERED = (
    "link-down", "host-end-down", "unplugged", "no-address", "no-default-route", "no-way-across",
    "nobody-listens", "no-forwarding", "only-localhost", "wrong-gateway", "wrong-next-hop", "bridge-down",
    "twin-address", "wide-prefix", "firewall-on-node", "underlay-port-down", "tunnel-to-nobody",
    "wrong-neighbour", "no-arp", "port-of-another", "black-hole-back", "firewall-in-pod", "masqueraded",
    "small-underlay", "own-table", "isolated-ports", "way-back-elsewhere", "session-off", "somebody-elses-key",
    "closed-port", "wrong-label", "no-names-out", "names-asleep", "own-resolver", "misspelt-plugin",
    "two-addresses", "wrong-door", "two-cables", "two-silences", "two-at-home", "old-wires", "busy-node",
)  # fmt: skip


def cases(level: int | None = None) -> tuple[str, ...]:
    """The numbers of all cases, or of those of one level."""
    return tuple(str(number) for number, id in enumerate(NUMBERED, 1) if level is None or _level(id) == level)


def admit(case: str = "", *, level: int = 1, seed: int | None = None) -> Case:
    """Build a fresh network, and break it.  What a lab or a cluster made before is removed first.

    In a notebook the network is then at hand by its names: ``lab``, ``node_1``, ``pod_a`` … or ``cluster``.

    Args:
        case: its number, or its name; without one it is drawn at random.
        level: 1 (found at the first look) to 4, for a random one.
        seed: the same seed draws the same case.

    Raises:
        NotFound: there is no such case.
        BadInput: there is no such level.
        LabError: the network could not be built; see there.
    """
    if not case:
        if not cases(level):
            raise BadInput(f"There is no level {level!r}.", "Choose 1, 2, 3 or 4.")
        case = random.Random(seed).choice(cases(level))
    id = NUMBERED[int(case) - 1] if case in cases() else case
    if id not in NUMBERED:
        raise NotFound(f"There is no case {case!r}.", f"Cases have numbers from 1 to {len(NUMBERED)}.")
    number = str(NUMBERED.index(id) + 1)
    first, odd = HERRINGS.get(id, (id, ()))
    made = Case(number, _level(id), tuple(FAULTS[one] for one in PAIRS.get(id, (first,))), odd)
    shell = get_ipython()
    if shell is not None:
        shell.push(made.gives)
    return made


def _level(id: str) -> int:
    if id in PAIRS:
        return min(_HARDEST, max(FAULTS[one].level for one in PAIRS[id]) + 1)
    if id in HERRINGS:
        return min(_HARDEST, FAULTS[HERRINGS[id][0]].level + 1)
    return FAULTS[id].level
