"""A class on one machine: learners who run the same chapters at once, each with a kernel of their own.

Every learner's outputs must be those that are recorded: a learner who saw another one's namespaces, addresses or
firewall would show something else.  In the end no process may be left, and the machine must be as it was.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from tests.sandbox import host
from tests.sandbox.family import VARIABLE, Family
from tools import notebooks

CLONE = Path(__file__).resolve().parent.parent
_CELL_SECONDS = 900  # with thirty learners on two processors a cell waits for its turn
_ROUND = 2.0  # seconds between two looks at the memory
_PATIENCE = 60.0  # seconds for the last processes to end
_MIB = 1 << 20


@dataclass
class Learner:
    """Somebody who runs chapters: a front end, which starts one kernel after another."""

    name: str
    home: Path
    chapters: list[str]
    process: subprocess.Popen[bytes] = field(init=False)
    family: Family = field(init=False)
    seconds: float = 0.0
    #: the most that was seen, in bytes: of the sandbox with all in it, and of the front end
    sandbox: int = 0
    front_end: int = 0

    def begin(self) -> None:
        """Start the first chapter."""
        mark = uuid.uuid4().hex
        self.family = Family(mark)
        environment = {**os.environ, "HOME": str(self.home), VARIABLE: mark}
        program = [sys.executable, str(CLONE / "tools/notebooks.py"), "--check", f"--timeout={_CELL_SECONDS}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*program, *self.chapters], stdout=log, stderr=subprocess.STDOUT, env=environment, cwd=CLONE
            )

    @property
    def log(self) -> Path:
        """What the front end says."""
        return self.home / "log"

    def weigh(self) -> int:
        """Look at the memory once; returns the bytes of the sandbox at this moment."""
        sizes = {one.pid: _proportional(one.pid) for one in self.family.alive()}
        front_end = sizes.pop(self.process.pid, 0)
        self.front_end = max(self.front_end, front_end)
        self.sandbox = max(self.sandbox, sum(sizes.values()))
        return sum(sizes.values())


def _proportional(pid: int) -> int:
    """Bytes of memory, with those shared by several processes divided among them (PSS); 0 if it has ended.

    Source: Documentation/filesystems/proc.rst, smaps_rollup.
    """
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    except OSError:
        pass
    return 0


def _run(learners: list[Learner]) -> int:
    """Until all are through.  Returns the largest sum of all sandboxes that was seen, in bytes."""
    started, most = time.monotonic(), 0
    for learner in learners:
        learner.begin()
    busy = list(learners)
    while busy:
        time.sleep(_ROUND)
        most = max(most, sum(learner.weigh() for learner in busy))
        for learner in [one for one in busy if one.process.poll() is not None]:
            learner.seconds = time.monotonic() - started
            busy.remove(learner)
    return most


def _left(learners: list[Learner]) -> list[str]:
    """The processes that do not end, after a while."""
    end = time.monotonic() + _PATIENCE
    while found := [one.command for learner in learners for one in learner.family.alive()]:
        if time.monotonic() > end:
            break
        time.sleep(0.2)
    return found


def main() -> int:
    """Run the class and print what it took; the exit status is 1 unless all saw the same and nothing is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learners", type=int, default=30)
    parser.add_argument("chapters", nargs="*", default=["00", "01", "02", "03", "04"], metavar="CHAPTER")
    options = parser.parse_args()
    before = host.state()
    with tempfile.TemporaryDirectory(prefix="class-") as folder:
        learners = [
            Learner(f"learner {number}", Path(folder, str(number)), options.chapters)
            for number in range(1, options.learners + 1)
        ]
        for learner in learners:
            learner.home.mkdir()
        try:
            most = _run(learners)
        finally:
            for learner in learners:
                if hasattr(learner, "process") and learner.process.poll() is None:
                    learner.process.kill()
                    learner.process.wait()
        left = _left(learners)
        again = [
            line for learner in learners for line in learner.log.read_text().splitlines() if "cannot be opened" in line
        ]
        restarts = sum(learner.log.read_text().count(notebooks.BEGAN_AGAIN) for learner in learners)
        other = [learner for learner in learners if learner.process.returncode]
        for learner in other:
            print(f"== {learner.name}\n{learner.log.read_text()[-2000:]}")
    after = host.state()
    changed = [what for what in before if before[what] != after[what]]

    seconds = [learner.seconds for learner in learners]
    sandbox = [learner.sandbox / _MIB for learner in learners]
    front_end = [learner.front_end / _MIB for learner in learners]
    print(f"{len(learners)} learners, chapters {' '.join(options.chapters)}, {os.cpu_count()} processors")
    print(f"  until the last was through    {max(seconds):.0f} s; the first {min(seconds):.0f} s")
    print(
        f"  memory of a learner's sandbox {median(sandbox):.0f} MiB at its largest (median; most: {max(sandbox):.0f})"
    )
    print(f"  memory of a front end         {median(front_end):.0f} MiB")
    print(f"  all sandboxes together        {most / _MIB:.0f} MiB at the most")
    print(f"  outputs as recorded           {len(learners) - len(other)} of {len(learners)} learners")
    print(f"  kernels started once more     {restarts}{': ' + '; '.join(again[:3]) if again else ''}")
    print(f"  processes left                {len(left)}{': ' + ', '.join(left[:5]) if left else ''}")
    print(f"  changed on the machine        {', '.join(changed) or 'nothing'}")
    return 1 if other or left or changed else 0


if __name__ == "__main__":
    sys.exit(main())
