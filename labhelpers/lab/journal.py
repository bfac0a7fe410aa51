"""The shell commands that do what the helpers did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

__all__ = ["Commands", "Journal", "journal"]


class Commands:
    """Shell commands in order.  ``print`` shows them as a script; run as root in a fresh sandbox it builds the same."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    __repr__ = __str__

    def __iter__(self) -> Iterator[str]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)

    def about(self, word: str) -> Commands:
        """The commands that contain this word, for example a pod's name."""
        return Commands(line for line in self.lines if word in line)


class Journal:
    """Every change a helper made, as shell.  What a learner, a plugin or an agent does by itself is not in it."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._forgotten = 0

    def add(self, lines: Iterable[str]) -> None:
        """Remember these commands, in order, as run."""
        self._lines.extend(lines)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """If the block fails, forget what was added in it: the block has undone what those commands did."""
        length = len(self._lines)
        try:
            yield
        except BaseException:
            del self._lines[length:]
            raise

    def clear(self) -> None:
        """Forget everything: the lab is empty again.  Marks taken before stay valid."""
        self._forgotten += len(self._lines)
        self._lines.clear()

    def mark(self) -> int:
        """A point in time to ask ``since`` for."""
        return self._forgotten + len(self._lines)

    def since(self, mark: int = 0) -> Commands:
        """What was done after the mark."""
        return Commands(self._lines[max(0, mark - self._forgotten) :])


#: one per process: namespaces are shared by everything in it
journal = Journal()
