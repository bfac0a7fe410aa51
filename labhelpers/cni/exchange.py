"""One call of a plugin, with all that went in and all that came out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.topology import Changes

__all__ = ["Exchange", "Failure"]


@dataclass(frozen=True, slots=True)
class Failure:
    """The error object of the specification, section 5: what a plugin prints when it cannot do it."""

    code: int
    msg: str
    details: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"code {self.code}: {self.msg}" + (f" ({self.details})" if self.details else "")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A plugin was started: its environment, what it read, what it wrote, how it ended.

    ``delegated`` are the calls that the plugin itself made meanwhile, such as to its IPAM plugin.
    """

    plugin: str
    command: str
    path: str
    environment: Mapping[str, str]
    stdin: str
    stdout: str
    stderr: str
    #: exit status; of a process that a signal ended, the signal's number with a minus
    status: int
    delegated: tuple[Exchange, ...] = ()
    #: what is different in the kernel since the plugin was started; empty for a delegated call
    changes: Changes = field(default_factory=Changes)
    #: what went wrong with the program itself: it ``could not be started: …``, or it ``did not end within …``
    trouble: str = ""

    @property
    def ok(self) -> bool:
        """Did it say that it worked?"""
        return self.status == 0

    @property
    def request(self) -> Any:
        """What it read, as a value; ``None`` if that is not JSON."""
        return _value(self.stdin)

    @property
    def answer(self) -> Any:
        """What it wrote, as a value; ``None`` if that is not JSON."""
        return _value(self.stdout)

    @property
    def failure(self) -> Failure | None:
        """The error object it wrote, if it failed and wrote one."""
        answer = self.answer
        if self.ok or not isinstance(answer, Mapping) or not isinstance(answer.get("code"), int):
            return None
        texts = (str(answer.get(key) or "") for key in ("msg", "details", "cniVersion"))
        return Failure(answer["code"], *texts)

    @property
    def outcome(self) -> str:
        """``ok``, or why not in a few words."""
        if self.ok:
            return "ok"
        last = self.stderr.strip().splitlines()[-1:]
        return str(self.failure or self.trouble or ": ".join([f"status {self.status}", *last]))

    def __str__(self) -> str:
        return f"{self.command} {self.plugin}: {self.outcome}"

    __repr__ = __str__


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
