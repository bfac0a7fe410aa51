"""VERSION, and how a plugin says that it cannot."""

from __future__ import annotations

from functools import partial

from labhelpers.conformance.cni.ask import Failed, ok, refused
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.trial import Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
_check = partial(checking, CHECKS)


@_check("version.answers", "section 2 VERSION, MUST", "A runtime asks before it chooses a version.")
def _version(trial: Trial) -> str:
    answer = ok(trial.call("VERSION", config={"cniVersion": "1.0.0"})).answer
    versions = answer.get("supportedVersions") if isinstance(answer, dict) else None
    if not isinstance(versions, list) or not versions or not all(isinstance(one, str) for one in versions):
        raise Failed(f"supportedVersions is {versions!r}")
    return f"it speaks {', '.join(versions)}"


@_check("version.echoes", "section 5 VERSION success, MUST", "The answer is of the version that was asked.")
def _version_echo(trial: Trial) -> str:
    answer = ok(trial.call("VERSION", config={"cniVersion": "1.0.0"})).answer
    if not isinstance(answer, dict) or answer.get("cniVersion") != "1.0.0":
        raise Failed(
            f"asked in 1.0.0, it answered in {answer.get('cniVersion') if isinstance(answer, dict) else answer!r}"
        )
    return "asked in 1.0.0, it answered in 1.0.0"


@_check("errors.malformed", "section 5 error, code 6", "A typing mistake must not be taken for an empty configuration.")
def _malformed(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", stdin='{"cniVersion": "1.0.0", '), 6)


@_check("errors.empty", "section 2, MUST", "Nothing on standard input is no configuration.")
def _empty(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", stdin=""))


@_check("errors.version", "section 5 error, code 1", "The runtime learns that another version may work.")
def _wrong_version(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", config={"cniVersion": "9.9.9"}), 1)


@_check("errors.echoes", "section 5 error, SHOULD", "The runtime must know how to read the error.")
def _echoes(trial: Trial) -> str:
    trial.pod("a")
    for version in ("0.4.0", "1.0.0"):
        exchange = trial.call("ADD", "a", config={"cniVersion": version}, environment={"CNI_IFNAME": "a/b"})
        refused(exchange)
        if exchange.answer.get("cniVersion") != version:
            raise Failed(f"asked in {version}, its error has the version {exchange.answer.get('cniVersion')}")
    return "its errors are of the version that was asked in"


@_check("errors.command", "section 2 parameters, MUST", "A command nobody knows must not pass for one that worked.")
def _unknown_command(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", environment={"CNI_COMMAND": "DANCE"}), naming="CNI_COMMAND")


@_check(
    "errors.no-command", "section 5 error, code 4, MUST name the variable", "Who called it wrongly must find out how."
)
def _no_command(trial: Trial) -> str:
    trial.pod("a")
    return refused(trial.call("ADD", "a", environment={"CNI_COMMAND": None}), 4, "CNI_COMMAND")
