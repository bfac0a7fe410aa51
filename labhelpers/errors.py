"""What can go wrong, as one tree.

::

    LabError                    everything this package raises
    ├── BadInput                a name, CIDR, MTU … that cannot work; nothing was tried
    ├── AlreadyExists           the thing to be made is already there
    ├── NotFound                the thing named is not there
    │   └── Vanished            it was there, and somebody removed it meanwhile
    ├── PoolExhausted           an address pool has no free address left
    ├── NotYours                it belongs to another owner (a CNI plugin, the kubelet)
    ├── NeedsPrivilege          the kernel said no to who we are
    ├── NotInSandbox            a kernel-changing helper was called outside a sandbox
    ├── KernelFeatureMissing    this kernel cannot do that
    ├── ToolMissing             a program the helper needs is not installed
    ├── CniFailed               a CNI plugin did not do what it was asked, with its error object
    ├── TimedOut                something took longer than it was given
    ├── KernelRefused           any other refusal of the kernel, with the command it refused
    └── ExpectationFailed       ``expect`` saw something else

Every error is two sentences: what happened, and what to do.  ``str(error)`` is both.
"""

from __future__ import annotations

__all__ = [
    "AlreadyExists",
    "BadInput",
    "CniFailed",
    "ExpectationFailed",
    "KernelFeatureMissing",
    "KernelRefused",
    "LabError",
    "NeedsPrivilege",
    "NotFound",
    "NotInSandbox",
    "NotYours",
    "PoolExhausted",
    "TimedOut",
    "ToolMissing",
    "Vanished",
]


class LabError(Exception):
    """Root of the tree: ``what`` happened, what ``to_do`` about it, and the shell command refused."""

    def __init__(self, what: str, to_do: str = "", *, command: str = "", errno: int | None = None) -> None:
        self.what = what
        self.to_do = to_do
        self.command = command
        self.errno = errno
        super().__init__(" ".join(part for part in (what, to_do) if part))

    def _render_traceback_(self) -> list[str]:
        """IPython prints this instead of a traceback: a learner needs the sentences, not our frames."""
        lines = [f"{type(self).__name__}: {self.what}"]
        if self.to_do:
            lines.append(f"  What to do: {self.to_do}")
        if self.command and self.command not in self.what:
            lines.append(f"  The command that was refused: {self.command}")
        return lines


class BadInput(LabError):
    """The input cannot work.  Nothing was tried."""


class AlreadyExists(LabError):
    """The thing to be made is already there.  It was not touched."""


class NotFound(LabError):
    """The thing named is not there."""


class Vanished(NotFound):
    """It was there, and somebody removed or replaced it behind the helper's back."""


class PoolExhausted(LabError):
    """An address pool has no free address left."""


class NotYours(LabError):
    """The thing belongs to another owner, for example a CNI plugin or the kubelet."""


class NeedsPrivilege(LabError):
    """The kernel refused because of who is asking."""


class NotInSandbox(LabError):
    """A helper that changes the kernel was called outside a sandbox.  Nothing was changed."""


class KernelFeatureMissing(LabError):
    """This kernel was built without the feature."""


class ToolMissing(LabError):
    """A program that the helper runs is not installed."""


class KernelRefused(LabError):
    """Any other refusal of the kernel, with the equivalent shell command it refused."""


class TimedOut(LabError):
    """Something took longer than it was given, and was ended."""


class CniFailed(LabError):
    """A CNI plugin did not do what it was asked.

    ``code``, ``msg`` and ``details`` are those of its error object (CNI specification, section 5); ``code`` is 0 if it
    wrote none.  ``operation`` is the exchange as far as it came.
    """

    def __init__(
        self, what: str, to_do: str = "", *, code: int = 0, msg: str = "", details: str = "", operation: object = None
    ) -> None:
        self.code, self.msg, self.details, self.operation = code, msg, details, operation
        super().__init__(what, to_do)


class ExpectationFailed(LabError, AssertionError):
    """The kernel's state is not the expected one: what was ``expected``, what was ``seen``."""

    def __init__(self, expected: str, seen: str, likely_cause: str = "") -> None:
        self.expected = expected
        self.seen = seen
        self.likely_cause = likely_cause
        super().__init__(f"Expected {expected}, saw {seen}.", likely_cause)
