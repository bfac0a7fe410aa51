"""Does a runtime do what the specification asks?  Probes in place of plugins write down how they are called.

Source: https://www.cni.dev/docs/spec/, specification 1.1.0.
"""

from __future__ import annotations

from collections.abc import Callable

from labhelpers.cni import Runtime
from labhelpers.conformance.cni import chains, lifecycle, requests
from labhelpers.conformance.cni.ask import Failed
from labhelpers.conformance.cni.requirement import Requirement
from labhelpers.conformance.cni.stage import Stage
from labhelpers.conformance.row import Row
from labhelpers.errors import LabError
from labhelpers.lab import Node
from labhelpers.linux.records import Rows

__all__ = ["runtime"]

_REQUIREMENTS = (*requests.REQUIREMENTS, *chains.REQUIREMENTS, *lifecycle.REQUIREMENTS)


def runtime(
    node: Node,
    *,
    make: Callable[..., Runtime] = Runtime,
    only: str | tuple[str, ...] = "",
    progress: Callable[[str], None] = lambda id: None,
) -> Rows[Row]:
    """Put a runtime through every requirement that can be tried with plugins that watch it.

    While it runs, the node's first network is that of the trial; the containers of others are not touched.

    Args:
        make: makes the runtime, as the class ``Runtime`` does.
        only: the beginning of the ids to try, such as ``"gc"``, or several.
        progress: called with the id of each requirement before it is tried.

    Returns:
        one row a requirement: its id, its section, whether it is met, what was seen, why it is asked.
    """
    rows = []
    for one in _REQUIREMENTS:
        if one.id.startswith(only):
            progress(one.id)
            rows.append(_row(one, node, make))
    return Rows(rows, "CNI 1.1.0: the runtime")


def _row(requirement: Requirement, node: Node, make: Callable[..., Runtime]) -> Row:
    with Stage(node, make) as stage:
        try:
            ok, seen = True, requirement.test(stage)
        except Failed as failed:
            ok, seen = False, str(failed)
        except LabError as error:  # it refused what it should have done
            ok, seen = False, error.what
    return Row(requirement.id, requirement.source, ok, seen, requirement.why)
