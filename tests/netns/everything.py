"""All there is at one moment, to be compared: what a helper that failed must leave as it was."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from labhelpers.lab import Lab
from labhelpers.linux.records import Rows
from labhelpers.topology import Snapshot, normalised
from tests.netns.leaks import files

__all__ = ["Everything"]


@dataclass(frozen=True)
class Everything:
    """All there is: in the kernel, in the journal, in the lab's own view."""

    snapshot: Snapshot
    commands: str
    known: tuple[str, ...]
    names: tuple[str, ...]
    mounts: tuple[str, ...]
    files: tuple[str, ...]

    @classmethod
    def now(cls, lab: Lab, *, firewall: bool = False) -> Everything:
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        return cls(
            _timeless(normalised(Snapshot.take(firewall=firewall))),
            str(lab.commands()),
            tuple(one.name for one in (*lab.nodes, *lab.pods)),
            tuple(sorted(os.listdir("/run/netns"))),
            tuple(sorted(line.split()[4] for line in mounts)),
            tuple(files()),
        )


def _timeless(snapshot: Snapshot) -> Snapshot:
    """Without which cables have a signal by now."""
    return replace(
        snapshot,
        namespaces=tuple(
            replace(one, links=Rows(replace(link, state="") for link in one.links)) for one in snapshot.namespaces
        ),
    )
