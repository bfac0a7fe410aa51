"""One stage of the tests: a command in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.runner.nobody import as_nobody
from tests.runner.tally import Skip, Tally, count

__all__ = ["CLONE", "Stage"]

CLONE = Path(__file__).resolve().parent.parent.parent
_LONGEST = 30 * 60.0  # seconds; a stage that takes longer hangs
_MOST_UNSTEADY = 5
_FAILED_ONLY = ("--last-failed", "--last-failed-no-failures=none")
_SLOWEST = ("--durations=25", "--durations-min=2")  # seconds; where the time goes, in every run


@dataclass(frozen=True)
class Stage:
    """A command and who runs it.

    ``user`` is ``"me"``, ``"nobody"`` (without privilege: me, or uid 65534 when I am root) or ``"root"``.
    A command that is not pytest (``counts=False``) passes or fails as a whole.
    """

    name: str
    command: tuple[str, ...]
    user: Literal["me", "nobody", "root"] = "me"
    counts: bool = True

    def run(self) -> Tally:
        """Run it with its output shown; nothing of it is read from or left in the user's own folders.

        A few tests that failed while others ran beside them run once more: what fails again has failed, what passes
        then is counted as passed and named as unsteady.
        """
        if self.user == "root" and os.geteuid() != 0:
            return Tally(skipped=(Skip(f"stage {self.name}", "needs root"),))
        with tempfile.TemporaryDirectory(prefix="pod-networking-tests-", ignore_cleanup_errors=True) as name:
            scratch = Path(name)
            drop = as_nobody(CLONE, scratch) if self.user == "nobody" and os.geteuid() == 0 else []
            report = scratch / "report.xml"
            if not self.counts:
                return Tally(failed=(self.name,) if _run([*drop, *self.command], None) else ())
            command = [*drop, *self.command, f"--junit-xml={report}", "-o", f"cache_dir={scratch / 'cache'}", *_SLOWEST]
            tally = count(report, _run(command, _environment(scratch)))
            if not 0 < len(tally.failed) <= _MOST_UNSTEADY or not tally.passed:
                return tally
            print(f"\n######## {self.name}: once more what failed", flush=True)
            report.unlink()
            again = count(report, _run([*command, *_FAILED_ONLY], _environment(scratch)))
            return tally.after(again)


def _environment(home: Path) -> dict[str, str]:
    own = ("JUPYTER", "IPYTHON", "XDG_", "POD_NETWORKING", "PYTEST")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    ours = {
        "HOME": str(home),
        # an ordinary user of Debian has no sbin, where chroot, nft and tcpdump are
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}:/usr/sbin:/sbin",
        "PYTHONDONTWRITEBYTECODE": "1",
        # root inside a sandbox would else share a folder with the root outside it
        "PYTEST_DEBUG_TEMPROOT": str(home),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(home / "hypothesis"),
    }
    return {**kept, **ours}


def _run(command: list[str], environment: dict[str, str] | None) -> int:
    # a shell's background job ignores Ctrl-C, and so would every kernel that a test starts and interrupts
    interrupted = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(command, cwd=CLONE, env=environment, start_new_session=True)
    signal.signal(signal.SIGINT, interrupted)
    try:
        return process.wait(_LONGEST)
    except subprocess.TimeoutExpired:
        print(f"This stage was ended after {_LONGEST / 60:.0f} minutes.", flush=True)
        return 1
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
