"""Does a CNI plugin do what the specification asks?  It is called by hand, and the kernel is looked at.

Source: https://www.cni.dev/docs/spec/, specification 1.1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from labhelpers.cni.programs import PLUGIN_FOLDERS, install
from labhelpers.cni.version import at_least, highest
from labhelpers.conformance.cni import add, connected, crowd, delegation, delete, errors, later
from labhelpers.conformance.cni.ask import Failed, NotAsked
from labhelpers.conformance.cni.check import Check
from labhelpers.conformance.cni.trial import Trial
from labhelpers.conformance.row import Row
from labhelpers.errors import BadInput, LabError
from labhelpers.lab import Node
from labhelpers.linux.records import Rows

__all__ = ["plugin"]

#: the newest version that each verb is asked in
_NEWEST = "1.1.0"
_CHECKS = (
    *errors.CHECKS,
    *add.CHECKS,
    *connected.CHECKS,
    *delegation.CHECKS,
    *delete.CHECKS,
    *later.CHECKS,
    *crowd.CHECKS,
)
#: what a test stumbles with over an answer that nobody thought of
_STUMBLED = (AttributeError, IndexError, KeyError, TypeError)


def plugin(
    node: Node,
    config: Mapping[str, Any],
    *,
    folders: tuple[str, ...] = PLUGIN_FOLDERS,
    only: str | tuple[str, ...] = "",
    timeout: float = 20,
    progress: Callable[[str], None] = lambda id: None,
) -> Rows[Row]:
    """Put a main plugin, with its IPAM plugin, through every requirement that can be tried from outside.

    Each requirement gets a network and containers of its own, which are removed again.  The version is the highest that
    the plugin says it speaks; what only newer versions ask does not apply, and the row says so.

    Args:
        config: as for a configuration file: ``{"type": "lab-bridge", "ipam": {"type": "lab-host-local"}}``.
        folders: where plugins are looked for.
        only: the beginning of the ids to try, such as ``"gc"``, or several.
        timeout: seconds for one call.  If one does not end within them, nothing is tried any more.
        progress: called with the id of each requirement before it is tried.

    Returns:
        one row a requirement: its id, its section, whether it is met, what was seen, why it is asked.

    Raises:
        BadInput: the configuration names no plugin.
        ToolMissing: there is no such plugin.
    """
    if not isinstance(config.get("type"), str):
        raise BadInput("The configuration names no plugin.", 'Write {"type": "lab-bridge", "ipam": {…}}.')
    install(node)
    version, hung = _version(node, config, folders, timeout)
    rows = []
    for number, check in enumerate(_CHECKS, 1):
        if not check.id.startswith(only):
            continue
        if not at_least(version, check.since):
            rows.append(_verdict(check, None, f"it speaks {version}; this came with {check.since}"))
        elif hung:
            rows.append(_verdict(check, False, f"not tried, because {hung}"))
        else:
            progress(check.id)
            given = {"cniVersion": version, **config}
            with Trial(node, given, folders, addresses=check.addresses, number=number, timeout=timeout) as trial:
                rows.append(_verdict(check, *_seen(check, trial)))
            hung = trial.hung
    return Rows(rows, f"CNI {version}: {config['type']}")


def _version(node: Node, config: Mapping[str, Any], folders: tuple[str, ...], timeout: float) -> tuple[str, str]:
    """The highest version that it, its IPAM plugin and this suite speak; and which call did not end, if one did not."""
    spoken: Iterable[str] | None = None
    for kind in (config["type"], dict(config.get("ipam") or {}).get("type")):
        if kind is None:
            continue
        with Trial(node, {**config, "type": kind}, folders, timeout=timeout) as trial:
            answer = trial.call("VERSION", config={"cniVersion": _NEWEST}).answer
        if trial.hung:
            return _NEWEST, f"{trial.hung} ({kind})"
        theirs = answer.get("supportedVersions") if isinstance(answer, dict) else None
        theirs = [one for one in theirs if isinstance(one, str)] if isinstance(theirs, list) else ["1.0.0"]
        spoken = theirs if spoken is None else [one for one in spoken if one in theirs]
    return highest(spoken or ["1.0.0"]), ""


def _verdict(check: Check, ok: bool | None, seen: str) -> Row:
    return Row(check.id, check.source, ok, seen, check.why)


def _seen(check: Check, trial: Trial) -> tuple[bool | None, str]:
    """Is it met, and what was seen."""
    try:
        return True, check.test(trial)
    except NotAsked as reason:
        return None, str(reason)
    except Failed as failed:
        return False, str(failed)
    except LabError as error:  # it cannot be started, or took away what it was not given
        return False, error.what
    except _STUMBLED as error:
        place = error.__traceback__
        while place and place.tb_next:
            place = place.tb_next
        where = f"{Path(place.tb_frame.f_code.co_filename).name}, line {place.tb_lineno}" if place else "somewhere"
        return False, f"the suite did not understand what it saw: {type(error).__name__} {error} in {where}"
