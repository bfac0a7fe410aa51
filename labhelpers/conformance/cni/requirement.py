"""One requirement that the specification has for a runtime, and the trial that tells whether it is met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.conformance.cni.ask import Failed
from labhelpers.conformance.cni.stage import Recorded, Stage
from labhelpers.errors import LabError

__all__ = ["Requirement", "must_fail", "names", "requiring"]

Test = Callable[[Stage], str]


@dataclass(frozen=True)
class Requirement:
    """Its test returns what it saw, and raises ``Failed`` if that is not what the specification says."""

    id: str
    #: section of specification 1.1.0, with MUST or SHOULD
    source: str
    #: why it is asked
    why: str
    test: Test


def requiring(requirements: list[Requirement], id: str, source: str, why: str) -> Callable[[Test], Test]:
    """Register a function as the test of a requirement."""

    def register(test: Test) -> Test:
        requirements.append(Requirement(id, source, why, test))
        return test

    return register


def must_fail(operation: Callable[[], object], what: str) -> LabError:
    """The error that an operation must end with."""
    try:
        operation()
    except LabError as error:
        return error
    raise Failed(f"{what}, and the runtime said nothing")


def names(calls: list[Recorded]) -> str:
    """Which probes were called, in order."""
    return ", ".join(one.plugin for one in calls) or "none"
