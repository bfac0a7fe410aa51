"""How a Deployment goes from old pods to new ones: how many of each there may be.  Pure functions.

Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/deployment/rolling.go
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor
from typing import Any

from labhelpers.store import Object

__all__ = ["Limits", "limits_of", "new_replicas", "old_replicas", "replicas_of"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How many pods are wanted, how many more there may be meanwhile, and how many may be missing."""

    wanted: int
    surge: int
    unavailable: int

    @property
    def most(self) -> int:
        """No more pods than these at any time."""
        return self.wanted + self.surge

    @property
    def fewest(self) -> int:
        """No fewer available pods than these."""
        return self.wanted - self.unavailable


def limits_of(deployment: Object) -> Limits:
    """Percentages are of what is wanted: more is rounded up, missing is rounded down."""
    spec = deployment["spec"]
    wanted = spec.get("replicas", 1)
    strategy = spec.get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return Limits(wanted, 0, wanted)
    rolling = strategy.get("rollingUpdate") or {}
    surge = _share(rolling.get("maxSurge", "25%"), wanted, up=True)
    unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, up=False)
    if not surge and not unavailable:
        unavailable = 1  # or nothing could ever change
    return Limits(wanted, surge, min(unavailable, wanted))


def _share(value: Any, whole: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        part = whole * int(value[:-1]) / 100
        return ceil(part) if up else floor(part)
    return int(value)


def replicas_of(one: Object) -> int:
    """How many pods a set wants."""
    return int(one["spec"].get("replicas", 0))


def _available(one: Object) -> int:
    return int((one.get("status") or {}).get("availableReplicas", 0))


def new_replicas(limits: Limits, new: Object | None, old: list[Object]) -> int:
    """How many pods the new set should want next."""
    now = replicas_of(new) if new else 0
    if now >= limits.wanted:
        return limits.wanted
    room = limits.most - now - sum(map(replicas_of, old))
    return now + max(0, min(room, limits.wanted - now))


def old_replicas(limits: Limits, new: Object, old: list[Object]) -> dict[str, int]:
    """How many pods each old set should want next, by name.  First those go that are not available anyway."""
    wanted = {one["metadata"]["name"]: replicas_of(one) for one in old}
    total = sum(wanted.values()) + replicas_of(new)
    spare = total - limits.fewest - (replicas_of(new) - _available(new))
    if spare <= 0:
        return wanted
    in_order = sorted(old, key=lambda one: str(one["metadata"]["creationTimestamp"]))
    for one in in_order:
        name = one["metadata"]["name"]
        cut = min(spare, max(0, wanted[name] - _available(one)))
        wanted[name] -= cut
        spare -= cut
    spare = min(spare, _available(new) + sum(map(_available, old)) - limits.fewest)
    for one in in_order:
        name = one["metadata"]["name"]
        cut = min(max(spare, 0), wanted[name])
        wanted[name] -= cut
        spare -= cut
    return wanted
