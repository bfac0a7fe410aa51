"""Start a plugin as the specification says: parameters in the environment, configuration on standard input.

Source: https://www.cni.dev/docs/spec/#section-2-execution-protocol, specification 1.1.0.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from labhelpers.cni.exchange import Exchange
from labhelpers.errors import BadInput, LabError, NotInSandbox, TimedOut, Vanished
from labhelpers.lab import Node
from labhelpers.linux import names, process

__all__ = ["Call", "capability_arguments", "run"]

_ABOUT_A_CONTAINER = ("ADD", "DEL", "CHECK")
_LONGEST_CONTAINER = names.LONGEST_NAMESPACE_NAME - len("cni-")
_NOT_STARTED = 126  # as shells say it


@dataclass(frozen=True)
class Call:
    """What a plugin is to be started with.

    Raises:
        BadInput: the specification allows no such container id, interface name or argument.
    """

    command: str
    container: str = ""
    netns: str = ""
    ifname: str = ""
    args: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.command in _ABOUT_A_CONTAINER:
            _check_container(self.container)
            names.link_name(self.ifname)
        for key, value in self.args:
            if not (isinstance(key, str) and isinstance(value, str)):
                raise BadInput(f"{key!r}: {value!r} cannot be an argument in CNI_ARGS.", "Write both as text.")
            if not key or any(char in ";=\0" for char in key) or any(char in ";\0" for char in value):
                raise BadInput(f"{key}={value} cannot be an argument in CNI_ARGS.", "Leave ';' and '=' out of it.")

    def environment(self, folders: Iterable[str]) -> dict[str, str]:
        """The parameters as environment variables; what is not set is left out."""
        pairs = {
            "CNI_COMMAND": self.command,
            "CNI_CONTAINERID": self.container,
            "CNI_NETNS": self.netns,
            "CNI_IFNAME": self.ifname,
            "CNI_ARGS": ";".join(f"{key}={value}" for key, value in self.args),
            "CNI_PATH": os.pathsep.join(folders),
        }
        return {name: value for name, value in pairs.items() if value}


def capability_arguments(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a runtime has to offer, as plain JSON values.

    Raises:
        BadInput: it cannot be written as JSON.
    """
    try:
        found = json.loads(json.dumps(given or {}))
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(f"The capabilities cannot be written as JSON: {error}.", "Leave that value out.") from None
    if not isinstance(found, dict):
        raise BadInput("The capabilities are not an object.", 'Write them like {"portMappings": [...]}.')
    return found


def run(
    node: Node,
    name: str,
    path: str,
    call: Call,
    request: Mapping[str, Any],
    folders: Iterable[str],
    *,
    timeout: float,
    override: Mapping[str, str | None] | None = None,
    stdin: str | None = None,
    when_started: Callable[[], object] = lambda: None,
) -> Exchange:
    """Start the plugin in the node's namespaces and wait until it has ended.

    Args:
        request: the configuration it reads on standard input.
        timeout: seconds; then it is killed.
        override: environment variables to set, or with ``None`` to leave out: for trying what no runtime does.
        stdin: text to send in place of the configuration, for the same reason.
        when_started: called when it has been started, and before it gets the configuration.

    Returns:
        the exchange; its ``trouble`` says so if the plugin did not end in time, or could not be started.
    """
    wanted = {**call.environment(folders), **(override or {})}
    environment = {name: value for name, value in wanted.items() if value is not None}
    stdin = json.dumps(request) if stdin is None else stdin

    def exchange(status: int, stdout: str = "", stderr: str = "", trouble: str = "") -> Exchange:
        return Exchange(name, call.command, path, environment, stdin, stdout, stderr, status, trouble=trouble)

    try:
        done = process.run(
            node._kernel,
            [path],
            pid=node._pid,
            input=stdin,
            timeout=timeout,
            environment={"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), **environment},
            when_started=when_started,
        )
    except TimedOut:
        return exchange(-signal.SIGKILL, trouble=f"did not end within {timeout:g} s and was killed")
    except (Vanished, NotInSandbox):
        raise
    except LabError as error:
        return exchange(_NOT_STARTED, trouble=f"could not be started: {_reason(error)}")
    return exchange(done.returncode, done.stdout, done.stderr)


def _reason(error: LabError) -> str:
    return os.strerror(error.errno).lower() if error.errno else error.what.rstrip(".")


def _check_container(value: str) -> None:
    fine = isinstance(value, str) and value.isascii() and value[:1].isalnum()
    if not fine or not all(char.isalnum() or char in "_.-" for char in value):
        raise BadInput(
            f"{value!r} cannot be a container's id.",
            "Begin with a letter or a digit; then letters, digits, '_', '.' and '-'.",
        )
    if len(value) > _LONGEST_CONTAINER:
        raise BadInput(
            f"The container id {value[:20]}… is {len(value)} characters long; {_LONGEST_CONTAINER} are allowed here.",
            f"Shorten it by {len(value) - _LONGEST_CONTAINER}: its namespace is called cni- and this.",
        )
