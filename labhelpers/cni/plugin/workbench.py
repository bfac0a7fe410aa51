"""What a first plugin of one's own is made with: ``ip`` as a function, its tables as values, and the IPAM plugin.

It starts a program for each step, as a shell script would.  The course's other plugins talk to the kernel themselves.
"""

from __future__ import annotations

import json
import shlex
import subprocess
from typing import Any

from labhelpers.cni.plugin.delegate import Delegated
from labhelpers.cni.plugin.skeleton import PluginError, Request

__all__ = ["ip", "ip_table", "ipam"]

_FAILED = 100


def ip(words: str, *, at: str | None = None, check: bool = True) -> str:
    """Run ``ip`` and return what it wrote.

    Args:
        words: what stands behind ``ip`` in a shell, with the same quotes.
        at: path of the network namespace; the node's own if it is not given.
        check: whether a failure is the plugin's failure.

    Raises:
        PluginError: code 100 with what ``ip`` said, if it failed and ``check`` is set; or ``at`` is no path.

    Shell: ``nsenter --net=PATH ip WORDS``.
    """
    if at == "":  # or what is meant for a container would be done to the node
        raise PluginError(
            _FAILED, "there is no namespace to work in", "CNI_NETNS was not given, and DEL may not need it"
        )
    command = ["ip", *shlex.split(words)]
    done = subprocess.run(
        ["nsenter", f"--net={at}", *command] if at else command, capture_output=True, text=True, check=False
    )
    if check and done.returncode:
        raise PluginError(_FAILED, f"`ip {words}` failed: {done.stderr.strip()}", f"in {at or 'the node'}")
    return done.stdout


def ip_table(words: str, *, at: str | None = None) -> list[dict[str, Any]]:
    """What ``ip`` shows, as values: a dictionary for each line of its table.  Raises ``PluginError`` as ``ip`` does.

    Shell: ``nsenter --net=PATH ip -json WORDS``.
    """
    found: list[dict[str, Any]] = json.loads(ip(f"-json {words}", at=at) or "[]")
    return found


def ipam(request: Request, command: str = "") -> dict[str, Any]:
    """Call the IPAM plugin that the configuration names, and return its answer.

    Args:
        command: ``"DEL"`` to give back an address after an ADD that failed; the request's own command by default.

    Raises:
        PluginError: it is missing, or it refused; its own error is passed on.
    """
    named = request.config.get("ipam")
    kind = named.get("type") if isinstance(named, dict) else None
    if not isinstance(kind, str) or not kind:
        raise PluginError(7, "the configuration names no IPAM plugin", 'write "ipam": {"type": "lab-host-local", …}')
    return Delegated(request, kind, command).answer()
