"""What a kubelet knows of the containers of one pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.cluster.kubelet.backoff import Backoff
from labhelpers.cluster.kubelet.container import Started

__all__ = ["ContainerState"]


@dataclass
class ContainerState:
    """One container: what runs now, what ran before, and why it does not run."""

    spec: Mapping[str, Any]
    is_init: bool = False
    started: Started | None = None
    #: how it ended, as its status says it, once it has and is not to be started again
    ended: dict[str, Any] | None = None
    #: how it ended the time before
    last: dict[str, Any] | None = None
    #: why it is not running, and in a sentence
    waiting: tuple[str, str] = ("ContainerCreating", "")
    restarts: int = 0
    #: times of RFC 3339
    started_at: str = ""
    #: it ended and is to be started again
    crashed: bool = False
    #: it is not started before this moment of the monotonic clock
    not_before: float = 0.0
    #: the probes say so; without probes, as soon as it runs
    ready: bool = False
    passed_startup: bool = False
    backoff: Backoff = field(default_factory=Backoff)
    pulling: Backoff = field(default_factory=Backoff)
    #: the image last used
    image: tuple[str, str] = ("", "")
    id: str = ""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.spec["name"])

    @property
    def running(self) -> bool:
        """Does it run?"""
        return self.started is not None

    @property
    def succeeded(self) -> bool:
        """Has it ended well, and for good?"""
        return self.ended is not None and self.ended["exitCode"] == 0
