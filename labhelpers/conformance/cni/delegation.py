"""Delegation: what a main plugin gives its IPAM plugin, and what it does with the answer.

In place of IPAM stands a shell script that writes down how it is called, and answers with one address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from labhelpers.conformance.cni.ask import Failed, ok, refused
from labhelpers.conformance.cni.check import Check, checking
from labhelpers.conformance.cni.trial import HOME, Trial

__all__ = ["CHECKS"]

CHECKS: list[Check] = []
_check = partial(checking, CHECKS)

_NAME = "trial-ipam"
_WORD = "a word of IPAM"
_SCRIPT = f"""\
#!/bin/sh
here={HOME}/ipam
call=$here/calls/$(ls $here/calls | wc -l)
mkdir $call
env -0 >$call/environment
cat >$call/stdin
echo "{_WORD}" >&2
[ ! -e "$here/refuses $CNI_COMMAND" ] || {{ cat $here/refusal; exit 1; }}
[ "$CNI_COMMAND" != ADD ] || cat $here/answer
"""
_REFUSAL = {"code": 111, "msg": "told to refuse"}


class _Ipam:
    """The script, in place of the trial's IPAM plugin."""

    def __init__(self, trial: Trial) -> None:
        self._here = Path(f"{trial.node.root}{HOME}/ipam")
        (self._here / "calls").mkdir(parents=True)
        program = self._here / _NAME
        program.write_text(_SCRIPT)
        program.chmod(0o755)
        first = trial.config["ipam"]["ranges"][0][0]["rangeStart"]
        version = {"version": "4"} if trial.config["cniVersion"].startswith("0.") else {}
        ip = {**version, "address": f"{first}/24", "gateway": f"{first.rpartition('.')[0]}.1"}
        self._write("answer", {"cniVersion": trial.config["cniVersion"], "ips": [ip]})
        self._write("refusal", {"cniVersion": trial.config["cniVersion"], **_REFUSAL})
        trial.config["ipam"] = {"type": _NAME, "keyA": ["some", {"more": 1}]}
        trial.folders = (*trial.folders, f"{HOME}/ipam")

    def _write(self, name: str, value: Mapping[str, Any]) -> None:
        (self._here / name).write_text(json.dumps(value))

    def refuses(self, command: str) -> None:
        """From now on an operation fails."""
        (self._here / f"refuses {command}").touch()

    def calls(self) -> list[tuple[dict[str, str], Any]]:
        """Environment and configuration of each call."""
        found = []
        for call in sorted((self._here / "calls").iterdir(), key=lambda path: int(path.name)):
            pairs = (pair.split("=", 1) for pair in (call / "environment").read_text().split("\0") if pair)
            environment = {name: value for name, value in pairs if name.startswith("CNI_")}
            found.append((environment, json.loads((call / "stdin").read_text() or "null")))
        return found

    def commands(self) -> str:
        """Which operations it was asked for."""
        return ", ".join(environment["CNI_COMMAND"] for environment, _ in self.calls()) or "nothing"


@_check("ipam.environment", "section 4, MUST receive all the same", "It works for the same container.")
def _environment(trial: Trial) -> str:
    ipam = _Ipam(trial)
    for command in ("ADD", "DEL"):
        exchange = ok(trial.add("a") if command == "ADD" else trial.call(command, "a"))
        seen, _ = ipam.calls()[-1]
        if seen != exchange.environment:
            raise Failed(f"{command}: it got {seen} in place of {dict(exchange.environment)}")
    return "ADD and DEL: the same variables"


@_check("ipam.configuration", "section 4, the complete configuration", "It may need more than its own part.")
def _configuration(trial: Trial) -> str:
    ipam = _Ipam(trial)
    exchange = ok(trial.add("a", config={"unknown": [1, None]}))
    _, seen = ipam.calls()[0]
    if seen != exchange.request:
        raise Failed(f"it got {json.dumps(seen)}")
    return "all of it, with what nobody here knows"


@_check("ipam.stderr", "section 4, ensure", "What it says there is for whoever reads the logs.")
def _stderr(trial: Trial) -> str:
    _Ipam(trial)
    if _WORD not in ok(trial.add("a")).stderr:
        raise Failed("its standard error was lost")
    return "its standard error was passed on"


@_check("ipam.undone", "section 4, SHOULD execute again with DEL", "It may have done a part before it failed.")
def _undone(trial: Trial) -> str:
    ipam = _Ipam(trial)
    ipam.refuses("ADD")
    refused(trial.add("a"))
    if ipam.commands() != "ADD, DEL":
        raise Failed(f"it was asked for {ipam.commands()}")
    return "after ADD had failed it was asked for DEL"


def _asked(trial: Trial, command: str, **config: Any) -> str:
    """An operation after ADD reaches IPAM, and its refusal is the plugin's."""
    ipam = _Ipam(trial)
    added = ok(trial.add("a"))
    with_result = {"prevResult": added.answer, **config}
    container = "a" if command in ("CHECK", "DEL") else ""
    ok(trial.call(command, container, config=with_result))
    if ipam.commands() != f"ADD, {command}":
        raise Failed(f"it was asked for {ipam.commands()}")
    ipam.refuses(command)
    return refused(trial.call(command, container, config=with_result))


@_check("ipam.del", "section 4, MUST execute and return its error", "Or its address is lost.")
def _del(trial: Trial) -> str:
    return _asked(trial, "DEL")


@_check("ipam.check", "section 4, MUST execute and return its error", "It alone knows its books.", since="0.4.0")
def _check_asked(trial: Trial) -> str:
    return _asked(trial, "CHECK")


@_check("ipam.status", "section 2 STATUS, MUST", "Without it ADD would fail.", since="1.1.0")
def _status(trial: Trial) -> str:
    return _asked(trial, "STATUS", prevResult=None)


@_check("ipam.gc", "section 2 GC, MUST", "It has something to clean up, too.", since="1.1.0")
def _gc(trial: Trial) -> str:
    valid = [{"containerID": f"{trial.name}-a", "ifname": "eth0"}]
    return _asked(trial, "GC", **{"prevResult": None, "cni.dev/valid-attachments": valid})
