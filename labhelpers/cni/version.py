"""Versions of the CNI specification: which there are, which is the newest two sides both know.

Source: https://www.cni.dev/docs/spec/#version-considerations, specification 1.1.0.
"""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.errors import BadInput

__all__ = ["HAS_CHECK", "HAS_GC", "SUPPORTED", "at_least", "highest", "parsed"]

#: those the runtime and the course's own plugins speak, oldest first
SUPPORTED = ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
HAS_CHECK = "0.4.0"
HAS_GC = "1.1.0"  # and STATUS


def parsed(version: str) -> tuple[int, ...]:
    """``"1.1.0"`` as numbers that can be compared.

    Raises:
        BadInput: not a version such as ``1.1.0``.
    """
    try:
        numbers = tuple(int(part) for part in version.split("."))
    except (AttributeError, ValueError):
        numbers = ()
    if len(numbers) != 3 or min(numbers) < 0:
        raise BadInput(
            f"{version!r} is not a version of the CNI specification.", f"Write one of {', '.join(SUPPORTED)}."
        )
    return numbers


def at_least(version: str, wanted: str) -> bool:
    """Is this version the wanted one, or a newer one?"""
    return parsed(version) >= parsed(wanted)


def highest(offered: Iterable[str], *, among: Iterable[str] = SUPPORTED) -> str:
    """The highest version that both sides know.

    Raises:
        BadInput: there is none; the message names both sides' versions.
    """
    offered, among = tuple(offered), tuple(among)
    both = [version for version in offered if version in among]
    if not both:
        raise BadInput(
            f"The configuration is for CNI {', '.join(offered)}, and nobody here speaks that.",
            f"Set cniVersion to one of {', '.join(among)}.",
        )
    return max(both, key=parsed)
