"""``admit``: a fresh network with something wrong in it, by name or at random."""

from __future__ import annotations

import random

from IPython.core.getipython import get_ipython

from labhelpers.course.clinic import in_clusters, in_labs
from labhelpers.course.clinic.case import Case
from labhelpers.course.clinic.chart import Standing, chart, standing
from labhelpers.course.clinic.fault import LAYERS, Disguise, Fault
from labhelpers.course.clinic.in_disguise import HERRINGS, PAIRS
from labhelpers.course.clinic.ward import NEEDS
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.linux.records import Rows

__all__ = ["FAULTS", "NUMBERED", "admit", "cases", "overview"]

_LEVELS = (1, 2, 3, 4)
_HARDEST = _LEVELS[-1]
#: those that can be alone; those of HERRINGS never are
FAULTS: dict[str, Fault] = {fault.id: fault for fault in (*in_labs.FAULTS, *in_clusters.FAULTS)}

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


def admit(case: str | int = "", *, level: int | None = None, seed: int | None = None) -> Case:
    """Build a fresh network, and break it.  What a lab or a cluster made before is removed first.

    In a notebook the network is then at hand by its names: ``lab``, ``node_1``, ``pod_a`` … or ``cluster``.

    Args:
        case: its number, or its name; without one it is drawn from those that you have not found yet and that can be
            built on this machine.
        level: 1 (found at the first look) to 4; by default the lowest in which one is left.
        seed: the same seed draws the same case, whatever you have found; of level 1 if no level is given.

    Raises:
        NotFound: there is no such case.
        BadInput: there is no such level.
        LabError: this machine lacks something for this case, and nothing was touched; or the network could not be
            built, see there.
    """
    wanted = str(case) or _drawn(level, seed)
    id = NUMBERED[int(wanted) - 1] if wanted in cases() else wanted
    if id not in NUMBERED:
        raise NotFound(f"There is no case {case!r}.", f"Cases have numbers from 1 to {len(NUMBERED)}.")
    number = str(NUMBERED.index(id) + 1)
    if lack := _lack(id):
        what = f"Case {number} cannot be built on this machine. {lack.what}"
        raise type(lack)(what, f"{lack.to_do} Or take another case: `case = clinic.admit()`.", errno=lack.errno)
    made = Case(number, _level(id), _faults(id), *_said(id))
    shell = get_ipython()
    if shell is not None:
        shell.push(made.gives)
    return made


def overview() -> Rows[Standing]:
    """How many cases of each level, and of each layer, you have found and mended.  Changes nothing."""
    levels = [(f"level {level}", cases(level)) for level in _LEVELS]
    layers = [
        (layer, [str(number) for number, id in enumerate(NUMBERED, 1) if layer in {one.layer for one in _faults(id)}])
        for layer in LAYERS
    ]
    return standing([*levels, *layers])


def _drawn(level: int | None, seed: int | None) -> str:
    if level is not None and level not in _LEVELS:
        raise BadInput(f"There is no level {level!r}.", "Choose 1, 2, 3 or 4.")
    if seed is not None:
        dice, pool = random.Random(seed), cases(level or 1)
        # what is drawn on every machine, if it can be built here; there is always one that can
        while _lack(NUMBERED[int(number := dice.choice(pool)) - 1]):
            pass
        return number
    found = {one.case for one in chart() if one.solved}
    for one in _LEVELS if level is None else (level,):
        if left := [number for number in _possible(one) if number not in found]:
            return random.choice(left)
    return random.choice(_possible(level))


def _possible(level: int | None) -> list[str]:
    """The cases of a level that can be built on this machine."""
    return [number for number in cases(level) if not _lack(NUMBERED[int(number) - 1])]


def _lack(id: str) -> LabError | None:
    """What this machine lacks for a case, if it can run the chapter."""
    try:
        NEEDS.get(_faults(id)[0].ward, lambda: None)()
    except LabError as error:
        return error
    return None


def _faults(id: str) -> tuple[Fault, ...]:
    if id in PAIRS:
        return tuple(FAULTS[one] for one in PAIRS[id][0])
    return (HERRINGS[id][0],) if id in HERRINGS else (FAULTS[id],)


def _said(id: str) -> tuple[Disguise | None, str]:
    """What beside the faults belongs to a case: what only looks wrong, and what is said of two together."""
    return HERRINGS[id][1] if id in HERRINGS else None, PAIRS[id][1] if id in PAIRS else ""


def _level(id: str) -> int:
    hardest = max(fault.level for fault in _faults(id))
    return min(_HARDEST, hardest + 1) if id in PAIRS or id in HERRINGS else hardest
