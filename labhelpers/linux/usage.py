"""What processes use: processor time and memory, as the kernel accounts for it.  Changes nothing.

Source: ``man 5 proc``, of ``/proc/PID/stat`` and ``/proc/PID/smaps_rollup``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from labhelpers.linux import process

__all__ = ["memory", "processes_in", "processor_time"]

_TICKS = os.sysconf("SC_CLK_TCK")


def processes_in(inodes: Iterable[int], *, but: Iterable[int] = ()) -> tuple[int, ...]:
    """The pids of all processes in these network namespaces.

    Args:
        but: pids to leave out, such as the holder of a node.

    Shell: ``ip netns pids NAME``.
    """
    wanted, left_out = set(inodes), set(but)
    return tuple(pid for pid, inode in process.namespaces_of_processes() if inode in wanted and pid not in left_out)


def processor_time(pids: Iterable[int]) -> float:
    """Seconds of processor time that these processes have used since they began.  One that has ended counts nothing.

    Shell: ``ps -o cputimes PID``.
    """
    seconds = 0.0
    for pid in pids:
        try:
            # the name, in brackets, may hold spaces
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        seconds += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory of these processes; what several share is counted once, in parts.

    Shell: ``grep Pss: /proc/PID/smaps_rollup``.
    """
    kilobytes = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return kilobytes * 1024
