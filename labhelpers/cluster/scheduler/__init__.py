"""The scheduler: finds each new pod a node, or says why there is none."""

from __future__ import annotations

from labhelpers.cluster.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
