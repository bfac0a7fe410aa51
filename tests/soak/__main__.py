"""The robustness run.

usage: python -m tests.soak [--minutes 10] [--first SEED] [PART ...]     without parts: all, each for so many minutes

``kills`` ends processes at random while chapters run, 1000 at most; if the time is over before, it says so.  Every
other part feeds one reader with damaged input.  What is found is printed with its seed; one that is kept belongs into
``KEPT`` of ``tests/unit/test_soak.py``.
"""

from __future__ import annotations

import argparse
import sys
from random import Random

from labhelpers.course.catalogue import CHAPTERS
from tests.soak.fuzz import fuzz
from tests.soak.kills import kills
from tests.soak.targets import TARGETS

_KILLS = 1000
#: all but the first two, which start no process that the others do not start
_CHAPTERS = [chapter.number for chapter in CHAPTERS][2:]


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
        if killed.programs.total() < _KILLS:
            print(f"kills: the time was over before there were {_KILLS}; give it more --minutes", flush=True)
        bad = bool(killed.found)
    for target in TARGETS:
        if not options.parts or target.name in options.parts:
            count, found = fuzz(target, options.minutes * 60, options.first)
            print(f"{target.name}: {count} inputs, {len(found)} findings", *found, sep="\n", flush=True)
            bad = bad or bool(found)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
