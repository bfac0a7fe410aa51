"""How long ago, as Kubernetes writes it: ``42s``, ``3m20s``, ``5h``, ``2d3h``."""

from __future__ import annotations

from datetime import datetime
from typing import Any

__all__ = ["age", "duration"]


def duration(seconds: float) -> str:
    """A length of time in at most two units.  Source: ``duration.HumanDuration`` of apimachinery."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 120:
        return f"{max(whole, 0)}s"
    minutes, hours = whole // 60, whole // 3600
    days = hours // 24
    if minutes < 10:
        return _two(minutes, "m", whole % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 2 * 365:
        return f"{days}d"
    if days < 8 * 365:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}" + (f"{small}{small_unit}" if small else "")


def age(timestamp: Any, now: float) -> str:
    """The time since a timestamp of the API."""
    try:
        moment = datetime.fromisoformat(str(timestamp).replace("Z", "+00:00"))
    except ValueError:
        return "<unknown>"
    return duration(now - moment.timestamp())
