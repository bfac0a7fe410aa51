"""End processes at random while chapters run, and see that nothing is left of any of them.

Only processes that bear this run's mark are ended: they inherit it from the front end that was started here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.sandbox import host
from tests.sandbox.family import VARIABLE, Family, Process

__all__ = ["Killed", "kills"]

CLONE = Path(__file__).resolve().parents[2]
_AT_ONCE = 3  # front ends
_PATIENCE = 60.0  # seconds for what is left of a front end to end
_BEFORE_THE_FIRST, _BETWEEN = 6.0, 0.3  # seconds, at most
_SMALLEST = 4  # processes: the front end, and the three that a sandbox is made of
_AT_THE_CHAIN = 0.15  # how often one of these four is chosen while there are others


@dataclass
class Killed:
    """What was done, and what was wrong afterwards."""

    #: how often each program was ended
    programs: Counter[str] = field(default_factory=Counter)
    chapters: int = 0
    #: sentences
    found: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        most = ", ".join(f"{name} {count}" for name, count in self.programs.most_common())
        head = (
            f"kills: {self.programs.total()} in {self.chapters} runs of chapters ({most}), {len(self.found)} findings"
        )
        return "\n".join([head, *self.found])


class _Run:
    """One front end that runs a chapter."""

    def __init__(self, chapter: str, random: Random) -> None:
        mark = uuid.uuid4().hex
        self.chapter, self.family = chapter, Family(mark)
        self._next = 0.0
        self._wait = random.uniform(0, _BEFORE_THE_FIRST)
        self.folder = Path(tempfile.mkdtemp(prefix="soak-"))
        folders = {name: str(self.folder) for name in ("HOME", "TMPDIR", "JUPYTER_RUNTIME_DIR")}
        self.process = subprocess.Popen(
            [sys.executable, str(CLONE / "tools/notebooks.py"), "--check", chapter],
            env={**os.environ, **folders, VARIABLE: mark},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=CLONE,
        )

    def victim(self, random: Random) -> Process | None:
        """Whom to end now, if it is time.  It begins some time after the sandbox is there."""
        if time.monotonic() < self._next:
            return None
        alive = self.family.alive()
        if not self._next:
            if len(alive) >= _SMALLEST:
                self._next = time.monotonic() + self._wait
            return None
        self._next = time.monotonic() + random.uniform(0, _BETWEEN)
        chain = {one.pid for one in sorted(alive, key=lambda one: one.pid)[:_SMALLEST]}
        others = [one for one in alive if one.pid not in chain]
        among = alive if not others or random.random() < _AT_THE_CHAIN else others
        return random.choice(among) if among else None

    def over(self) -> str:
        """End the front end, if it still runs.  Returns what is left after a while."""
        self.process.kill()
        self.process.wait()
        end = time.monotonic() + _PATIENCE
        while left := self.family.alive():
            if time.monotonic() > end:
                self.family.kill()
                return f"chapter {self.chapter}: left are {', '.join(one.command[:80] for one in left[:5])}"
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)
        return ""


def kills(random: Random, chapters: list[str], seconds: float, most: int) -> Killed:
    """Run chapters for so long, or until so many processes were ended.  In the end the machine must be as it was."""
    done = Killed()
    before, end = host.state(), time.monotonic() + seconds
    runs: list[_Run] = []
    try:
        while time.monotonic() < end and done.programs.total() < most:
            while len(runs) < _AT_ONCE:
                runs.append(_Run(random.choice(chapters), random))
                done.chapters += 1
            for run in list(runs):
                if run.process.poll() is not None:  # through, or without a kernel
                    runs.remove(run)
                    done.found.extend(filter(None, [run.over()]))
                elif victim := run.victim(random):
                    try:
                        os.kill(victim.pid, signal.SIGKILL)
                        done.programs[_name(victim.command, victim.pid == run.process.pid)] += 1
                    except ProcessLookupError:  # it was quicker
                        pass
            time.sleep(0.02)
    finally:
        done.found.extend(what for run in runs if (what := run.over()))
    after = host.state()
    done.found.extend(f"changed on the machine: {what}" for what in before if before[what] != after[what])
    return done


def _name(command: str, front_end: bool) -> str:
    """The program, in a word that can be counted."""
    words = command.split()
    if front_end or not words:
        return "front end" if front_end else "?"
    program = Path(words[0]).name
    if program.startswith("python"):
        module = next((word for word in words if word.startswith("labhelpers.")), "")
        return module.removeprefix("labhelpers.") or "python"
    return program
