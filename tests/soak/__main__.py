"""The robustness run.

usage: python -m tests.soak [--minutes 10] [--first SEED] [PART ...]     without parts: all, each for so many minutes

``kills`` ends processes at random while chapters run, 1000 at most.  Every other part feeds one reader with damaged
input.  What is found is printed with its seed; one that is kept belongs into ``KEPT`` of ``tests/unit/test_soak.py``.
"""

from __future__ import annotations

import argparse
import sys
from random import Random

from tests.soak.fuzz import fuzz
from tests.soak.kills import kills
from tests.soak.targets import TARGETS

_KILLS = 1000
#: those that start many kinds of processes
_CHAPTERS = ["02", "03", "04", "05", "06", "08", "09", "11"]


def main(arguments: list[str] | None = None) -> int:
    """Run the parts; the exit status is 1 if anything was found."""
    names = ["kills", *(target.name for target in TARGETS)]
    parser = argparse.ArgumentParser(description="The robustness run.")
    parser.add_argument("--minutes", type=float, default=10, help="for each part")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(names)}; default: all")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - set(names):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    bad = False
    if not options.parts or "kills" in options.parts:
        killed = kills(Random(options.first), _CHAPTERS, options.minutes * 60, _KILLS)
        print(killed, flush=True)
        bad = bool(killed.found)
    for target in TARGETS:
        if not options.parts or target.name in options.parts:
            count, found = fuzz(target, options.minutes * 60, options.first)
            print(f"{target.name}: {count} inputs, {len(found)} findings", *found, sep="\n", flush=True)
            bad = bad or bool(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
