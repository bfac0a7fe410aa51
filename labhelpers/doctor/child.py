"""``python -m labhelpers.doctor.child``: try everything, and write one line of JSON for each answer.

It runs inside a sandbox and nowhere else.  It moves into a namespace of its own, which ends with it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict

from labhelpers.doctor.features import FEATURES
from labhelpers.doctor.machine import Machine, look
from labhelpers.doctor.modules import waits_for_first_use
from labhelpers.doctor.probe import Feature, Outcome
from labhelpers.doctor.programs import PROGRAMS, look_up
from labhelpers.errors import LabError
from labhelpers.linux import trial_namespaces
from labhelpers.linux.inside import require_sandbox

__all__ = ["main"]


def main() -> None:
    """Write what each probe came to, as soon as it is known.

    Raises:
        NotInSandbox: before anything is tried.
    """
    require_sandbox()
    for id, outcome in _outcomes(look()):
        print(json.dumps({"id": id, **asdict(outcome)}), flush=True)


def _outcomes(machine: Machine) -> Iterator[tuple[str, Outcome]]:
    path = os.environ.get("PATH", os.defpath)
    for program in PROGRAMS:
        yield program.id, look_up(program, path)
    # children are forked while this process still has one thread
    for feature in FEATURES:
        if not feature.in_namespace:
            yield feature.id, _attempt(feature.trial)
    nowhere = _attempt(trial_namespaces.enter_throw_away)
    for feature in FEATURES:
        if feature.in_namespace:
            yield (
                feature.id,
                _in_namespace(feature, machine)
                if nowhere.ok
                else Outcome(None, f"there is no throw-away namespace to try it in: {nowhere.said}"),
            )


def _in_namespace(feature: Feature, machine: Machine) -> Outcome:
    if feature.seen_outside and waits_for_first_use(feature.module, machine):
        return Outcome(
            None,
            f"loading the module {feature.module} makes interfaces appear on the whole machine; "
            f"to try it: sudo modprobe {feature.module}",
        )
    return _attempt(feature.trial)


def _attempt(trial: Callable[[], None]) -> Outcome:
    try:
        trial()
    except OSError as error:
        return Outcome(False, error.strerror or str(error), error.errno or 0, str(error.filename or ""))
    except LabError as error:
        return Outcome(False, error.what, error.errno or 0)
    except Exception as error:  # a trial that is wrong itself must not hide the answers of the others
        return Outcome(None, f"the trial broke: {type(error).__name__}: {error}")
    return Outcome(True)


if __name__ == "__main__":
    try:
        main()
    except LabError as error:
        sys.exit(str(error))
