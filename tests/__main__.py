"""Run every stage of the tests and count all of them together.

usage: python -m tests [STAGE ...]     without names: all stages

A few tests that failed run once more, alone, and the summary names those that then passed.  A stage that fails does
not keep the others from running.  A skip is fine only when ``allowed-skips.txt`` names its reason, and a stage that
finds no test has failed.
"""

from __future__ import annotations

import shlex
import sys
import time

from tests.runner.stage import CLONE, Stage
from tests.runner.tally import Tally, allowed_reasons

PYTEST = (sys.executable, "-m", "pytest")
NBVAL = (
    *(*PYTEST, "--nbval", "--nbval-cell-timeout=180", "--nbval-sanitize-with=tests/notebooks/sanitize.cfg"),
    *("-n3", "--dist=loadfile", "notebooks"),
)
CHAPTERS = (*PYTEST, "-n3", "--dist=worksteal", "tests/notebooks")
KERNELS = (*PYTEST, "-n4", "--dist=loadfile", "tests/sandbox")
SANDBOX = (sys.executable, "-m", "labhelpers.sandbox.run", "--")


def _in_sandboxes(count: int) -> tuple[str, ...]:
    """Each worker in a sandbox of its own, because tests in one sandbox see one another's namespaces."""
    return (
        "--dist=loadfile",
        "--no-loadscope-reorder",
        f"--tx={count}*popen//python={shlex.join([*SANDBOX, sys.executable])}",
    )


# more workers than a small machine has processors, because most of them wait for packets
NETNS = (*PYTEST, *_in_sandboxes(6), "tests/netns")
EBPF = (*PYTEST, *_in_sandboxes(2), "tests/ebpf")

STAGES = (
    Stage("lint", ("make", "--no-print-directory", "lint"), counts=False),
    Stage("unit", (*PYTEST, "-n2", "--dist=worksteal", "tests/unit")),
    Stage("sandbox", KERNELS, user="nobody"),
    Stage("sandbox-root", KERNELS, user="root"),
    Stage("netns", NETNS, user="nobody"),
    Stage("netns-root", (*NETNS, "-m", "not once"), user="root"),
    Stage("ebpf", EBPF, user="root"),
    Stage("notebooks", NBVAL, user="nobody"),
    Stage("recorded", (*CHAPTERS, "-k", "test_reexecution")),
    Stage("solutions", (*CHAPTERS, "-k", "not test_reexecution"), user="nobody"),
    Stage("browser", (*PYTEST, "-n3", "--dist=loadfile", "tests/browser"), user="nobody"),
    Stage("dist", (*PYTEST, "tests/dist"), user="nobody"),
)


def main(names: list[str]) -> int:
    """Run the named stages, or all; the exit status says whether every test passed."""
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        print(f"No such stage: {', '.join(sorted(unknown))}. There are {', '.join(s.name for s in STAGES)}.")
        return 2
    allowed = allowed_reasons((CLONE / "tests/allowed-skips.txt").read_text())
    started = time.monotonic()
    total, lines = Tally(), []
    for stage in STAGES:
        if names and stage.name not in names:
            continue
        print(f"\n######## {stage.name}", flush=True)
        began = time.monotonic()
        tally = stage.run().judged(allowed)
        total += tally
        result = str(tally) if stage.counts or tally.failed else "clean"
        lines.append(f"{stage.name:12} {result} in {time.monotonic() - began:.1f}s")
    lines += [f"skipped: {skip.test}: {skip.reason}" for skip in total.skipped]
    lines += [f"unsteady, failed at first and passed when run once more: {name}" for name in total.unsteady]
    lines += [f"failed: {name}" for name in total.failed]
    print("\n######## summary", *lines, sep="\n")
    print(f"==== {total} in {time.monotonic() - started:.1f}s ====", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
