"""Which cluster runs in this sandbox: a file that its process writes, for other processes to find it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["State"]

_PLACE = Path("/run/pod-networking/cluster.json")


@dataclass(frozen=True)
class State:
    """How to reach a cluster."""

    pid: int
    url: str
    #: of each node: its name, the pid of its holder, its address and its pods' block
    nodes: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls) -> State | None:
        """The cluster that runs; none if there is none, or its process has ended."""
        state = cls.last()
        return state if state is not None and state.runs else None

    @classmethod
    def last(cls) -> State | None:
        """The cluster that runs, or one whose process was killed before it could clear up."""
        try:
            return cls(**json.loads(_PLACE.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    @property
    def runs(self) -> bool:
        """Is the process there?  A pid may have been given to another one: its command line says."""
        try:
            return b"labhelpers.cluster.host" in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        except OSError:
            return False

    def as_json(self) -> dict[str, Any]:
        """As it is written."""
        return asdict(self)

    def write(self) -> None:
        """Let others find it."""
        new = _PLACE.with_name("cluster.new")
        new.write_text(json.dumps(self.as_json()))
        new.replace(_PLACE)

    @staticmethod
    def remove() -> None:
        """It ends."""
        _PLACE.unlink(missing_ok=True)
