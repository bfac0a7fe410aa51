"""Small files that outlive the notebooks: read with care, replaced in one step, locked against a second notebook."""

from __future__ import annotations

import fcntl
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["locked", "read", "write"]


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Two notebooks may want to change the file at the same moment."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(file: Path, what: str, understood: Callable[[Any], Any]) -> Any | None:
    """What the file holds, or nothing.  A file that makes no sense is put aside, and that is said.

    Args:
        what: it is, for the message: ``progress``.
        understood: takes what was read to what is wanted, and raises ValueError, TypeError or LookupError if it is
            something else.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        _put_aside(file, what, str(error))
        return None
    try:
        return understood(json.loads(text))
    except (ValueError, TypeError, LookupError):
        _put_aside(file, what, "it is not what this course writes")
        return None


def write(file: Path, value: Any) -> None:
    """Replace the file in one step: a reader sees the old one or the new one."""
    handle, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.stem}-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as draft_file:
            draft_file.write(json.dumps(value, indent=1) + "\n")
            draft_file.flush()
            os.fsync(draft_file.fileno())
        os.replace(draft, file)
    except BaseException:
        os.unlink(draft)
        raise


def _put_aside(file: Path, what: str, reason: str) -> None:
    aside = file.with_suffix(".json.unreadable")
    try:
        os.replace(file, aside)
        kept = f"It is kept as {aside}, and you start from zero."
    except OSError as error:
        kept = f"It could not be put aside either: {error.strerror}."
    print(f"Your {what} in {file} could not be read: {reason}. {kept}", file=sys.stderr)
