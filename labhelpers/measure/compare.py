"""``compare``: measure several networks in one run, in turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from labhelpers.conformance.policy import RECIPES
from labhelpers.errors import BadInput, LabError
from labhelpers.lab.progress import Progress
from labhelpers.linux import usage
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.records import Rows
from labhelpers.measure import instruments
from labhelpers.measure.agents import memory_of_agents
from labhelpers.measure.comparison import AGAIN, Comparison
from labhelpers.measure.entrant import BARE, Entrant, entrants
from labhelpers.measure.properties import Properties, properties_of
from labhelpers.measure.quantity import quantities_named
from labhelpers.measure.site import Site, site
from labhelpers.measure.standing import Spread
from labhelpers.networks import Network

__all__ = ["compare"]

_MOST_SECONDS, _MOST_ROUNDS = 60, 100
_MEGA = 1 << 20
_PINGS, _CONNECTIONS = 1500, 300  # for each two seconds of traffic


def compare(
    networks: Iterable[Network | Entrant] | None = None,
    *,
    rounds: int = 3,
    seconds: int = 2,
    only: Iterable[str] | None = None,
    properties: bool = True,
    recipes: int = len(RECIPES),
) -> Comparison:
    """Make each network on two fresh nodes, measure it with the same pods, take it away; all of them, round by round.

    What the lab made before is removed.  The order moves on by one in each round, so that whatever else the machine
    does strikes all alike.  A bare cable between two pods is measured twice in each round: all are compared with it,
    and its two results say how much is chance.

    Args:
        networks: all of the course by default; ``Entrant("name", Flannel())`` for another name in the tables.
        rounds: how often everything is measured; the interval of these is the spread.  The intervals of two that are
            the same do not overlap by chance once in ten times with three rounds, and once in 126 times with five.
        seconds: of traffic for each throughput; all of them with three rounds of two take less than five minutes.
        only: ids of quantities, such as ``["latency", "memory"]``; see ``QUANTITIES``.
        properties: try policies, the wire and the flow log, too.
        recipes: how many of the policy recipes.

    Raises:
        BadInput: there is no such quantity, or nothing to measure.
        LabError: none of them can be measured.  One that cannot be had on this machine, or does not carry packets, is
            left out, and the comparison says why.
    """
    require_sandbox()
    for what, value, most in (("rounds", rounds, _MOST_ROUNDS), ("seconds", seconds, _MOST_SECONDS)):
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise BadInput(f"{what}={value!r} is not possible.", f"Use a whole number from 1 to {most}.")
    wanted = {one.id for one in quantities_named(only)}
    there = entrants(networks)
    run = _Run(there, rounds, seconds, wanted)
    progress = Progress(rounds * (len(there) + 2) + len(there))
    try:
        run.rounds(progress)
        if properties or wanted & {"lines", "rules", "agents"}:
            run.properties(progress, recipes, also_in_cluster="agents" in wanted)
    finally:
        progress.end()
    return run.result(with_properties=properties)


class _Run:
    """What was measured so far."""

    def __init__(self, there: list[Entrant], rounds: int, seconds: int, wanted: set[str]) -> None:
        self._there, self._rounds, self._seconds, self._wanted = there, rounds, seconds, wanted
        self._values: dict[str, dict[str, list[float]]] = {
            name: defaultdict(list) for name in (BARE.name, AGAIN, *(one.name for one in there))
        }
        self._stand_ins: dict[str, str] = {}
        self._left_out: dict[str, str] = {}
        self._lines: list[Properties] = []

    def rounds(self, progress: Progress) -> None:
        """Everything that has a spread."""
        all_of_them = [BARE, *self._there, Entrant(AGAIN, None)]
        for number in range(self._rounds):
            first = number % len(all_of_them)
            for one in (*all_of_them[first:], *all_of_them[:first]):
                progress.step(f"{one.name}, round {number + 1}")
                if one.name not in self._left_out:
                    self._one(one)

    def _one(self, entrant: Entrant) -> None:
        try:
            with site(entrant) as here:
                if here.stand_in:
                    self._stand_ins[entrant.name] = here.stand_in
                for quantity, value in self._measured(here).items():
                    if quantity in self._wanted:
                        self._values[entrant.name][quantity].append(value)
        except LabError as error:
            if entrant.network is None:
                raise
            self._left_out[entrant.name] = str(error)

    def _measured(self, here: Site) -> dict[str, float]:
        found: dict[str, float] = {}
        if here.installed is not None:
            found["ready"], found["pod"] = here.ready * 1000, here.pod * 1000
            found["memory"] = usage.memory(instruments.own_programs(here)) / _MEGA / len(here.nodes)
        part = self._seconds / 2
        if "latency" in self._wanted:
            found["latency"] = instruments.latency(here.near, here.far, round(_PINGS * part))
        if "same-node" in self._wanted:
            found["same-node"] = instruments.latency(here.near, here.beside, round(_PINGS * part))
        if "connections" in self._wanted:
            found["connections"] = instruments.connections(here, round(_CONNECTIONS * part))
        if self._wanted & {"throughput", "processor"}:
            found |= instruments.throughput(here, self._seconds)
        return found

    def properties(self, progress: Progress, recipes: int, *, also_in_cluster: bool) -> None:
        """What is tried once."""
        for one in self._there:
            progress.step(f"{one.name}: policies, wire, flows")
            if one.name in self._left_out:
                continue
            assert one.network is not None
            try:
                line, numbers = properties_of(one, recipes=recipes)
                if also_in_cluster:
                    numbers["agents"] = [memory_of_agents(one.network) / _MEGA]
            except LabError as error:
                self._left_out[one.name] = str(error)
                continue
            self._lines.append(line)
            for quantity, values in numbers.items():
                if quantity in self._wanted:
                    self._values[one.name][quantity] += values

    def result(self, *, with_properties: bool) -> Comparison:
        """All of it."""
        measured = {name: found for name, found in self._values.items() if name not in self._left_out}
        if set(measured) <= {BARE.name, AGAIN}:
            name, reason = next(iter(self._left_out.items()))
            raise LabError(f"None of these networks can be measured here. {name}: {reason}", "Choose others.")
        return Comparison(
            {name: {id: Spread(tuple(values)) for id, values in found.items()} for name, found in measured.items()},
            Rows(self._lines if with_properties else [], "networks: what else they are like"),
            dict(self._left_out),
            dict(self._stand_ins),
            self._rounds,
            self._seconds,
        )
