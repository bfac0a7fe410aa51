"""Which signals are ignored, as ``/proc/PID/status`` shows them."""

from __future__ import annotations

import signal
from pathlib import Path

__all__ = ["inherited"]

_OF_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # which an interpreter ignores for itself


def inherited() -> str:
    """What whoever started the tests ignores, as ``make`` does: a command may ignore that, and nothing else."""
    status = Path("/proc/self/status").read_text()
    mask = int(next(line.split()[1] for line in status.splitlines() if line.startswith("SigIgn:")), 16)
    for number in _OF_PYTHON:
        mask &= ~(1 << number - 1)
    return f"{mask:016x}"
