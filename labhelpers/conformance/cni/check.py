"""One requirement of the specification, and the trial that tells whether a plugin meets it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from labhelpers.conformance.cni.trial import Trial

__all__ = ["Check", "checking"]


@dataclass(frozen=True)
class Check:
    """One requirement.

    Its test returns what it saw, and raises ``Failed`` if that is not what the specification says.
    """

    id: str
    #: section of specification 1.1.0, with MUST or SHOULD
    source: str
    #: why it is asked
    why: str
    test: Callable[[Trial], str]
    #: how many addresses the trial's network has
    addresses: int = 200
    #: the first version of the specification that asks it
    since: str = "0.3.0"


Test = Callable[[Trial], str]


def checking(
    checks: list[Check], id: str, source: str, why: str, *, addresses: int = 200, since: str = "0.3.0"
) -> Callable[[Test], Test]:
    """Register a function as the test of a requirement."""

    def register(test: Test) -> Test:
        checks.append(Check(id, source, why, test, addresses, since))
        return test

    return register
