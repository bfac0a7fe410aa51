"""What do the networks of the course cost beside a bare cable, what do they enforce, encrypt and show?"""

from __future__ import annotations

import sys
import time

from benchmarks._measure import options
from benchmarks._sandbox import move_into_sandbox
from labhelpers.lab.progress import Progress
from labhelpers.measure import Entrant, compare, every_network
from labhelpers.views.comparison import comparison_text
from labhelpers.views.progress_bar import show_progress
from labhelpers.views.tables import table_of

_MOST = 300.0  # seconds for all networks, three rounds of two seconds


def _chosen(names: list[str]) -> list[Entrant]:
    there = {one.name: one for one in every_network()}
    if wrong := [name for name in names if name not in there]:
        sys.exit(f"There is no {', '.join(wrong)}; there are {', '.join(there)}.")
    return [one for name, one in there.items() if not names or name in names]


def main() -> None:
    """Measure and print."""
    parser = options(__doc__ or "", rounds=3)
    parser.add_argument("--seconds", type=int, default=2, help="of traffic for each throughput")
    parser.add_argument("--network", action="append", default=[], help="these only, by name")
    parser.add_argument("--plot", default="", help="write the picture into this file")
    chosen = parser.parse_args()
    move_into_sandbox()
    Progress.shown_by = staticmethod(show_progress)
    start = time.perf_counter()
    found = compare(_chosen(chosen.network), rounds=chosen.rounds, seconds=chosen.seconds)
    seconds = time.perf_counter() - start
    print(comparison_text(found))
    for one in found.quantities:
        print(f"\n{table_of(found.standing(one.id))}")
    print(f"\n{table_of(found.properties)}")
    for name, why in found.left_out.items():
        print(f"{name} was left out: {why}")
    verdict = "met" if seconds <= _MOST else "MISSED"
    print(f"\nIt took {seconds:.0f} s; target for all, three rounds of two seconds: at most {_MOST:.0f} s: {verdict}")
    if chosen.plot:
        from labhelpers.views.plots import spreads

        spreads(found).savefig(chosen.plot)


if __name__ == "__main__":
    main()
