"""Read a container's log: whole, its end, from a time on, and on as it is written.

Source of the options: https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.32/ (``PodLogOptions``).
"""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from io import BufferedReader
from itertools import chain

from labhelpers.cluster.node_api import LogQuestion
from labhelpers.errors import BadInput

__all__ = ["open_log"]

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)")
_OFTEN = 0.1  # seconds between looks at a log that is followed


def open_log(path: str, question: LogQuestion, has_ended: Callable[[], bool]) -> int:
    """A file descriptor that gives what was asked for; a thread feeds it.

    Args:
        path: of the log, as seen from here.
        has_ended: will nothing more be written?

    Raises:
        BadInput: a time that is none.
    """
    since = _since(question)
    ours, theirs = socket.socketpair()
    source = _lines(path, question.follow, has_ended, ours)
    feed = threading.Thread(target=_feed, args=(ours, source, question, since), name="log reader", daemon=True)
    feed.start()
    return theirs.detach()


def _since(question: LogQuestion) -> str:
    """The earliest time that is wanted, in the log's own form, which sorts as text."""
    if question.since_seconds is not None:
        return _as_logged(datetime.fromtimestamp(time.time() - question.since_seconds, timezone.utc))
    if not question.since_time:
        return ""
    try:
        when, fraction, zone = _TIME.fullmatch(question.since_time).groups()  # type: ignore[union-attr]
        seconds = _as_logged(datetime.fromisoformat(when + ("+00:00" if zone == "Z" else zone)))
    except (AttributeError, ValueError):
        raise BadInput(
            f"invalid sinceTime: {question.since_time!r}", "Write it like 2026-01-31T12:00:00Z (RFC 3339)."
        ) from None
    return f"{seconds[:19]}.{(fraction or '').ljust(9, '0')[:9]}Z"


def _as_logged(when: datetime) -> str:
    return when.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def _feed(line: socket.socket, source: Iterator[bytes], question: LogQuestion, since: str) -> None:
    """Write what was asked for, until the reader has gone."""
    left = question.limit_bytes
    with line, suppress(OSError):
        for text in _answer(source, question, since):
            if left is not None:
                text = text[:left]
                left -= len(text)
            line.sendall(text)
            if left == 0:
                return


def _answer(source: Iterator[bytes], question: LogQuestion, since: str) -> Iterator[bytes]:
    if question.tail_lines is not None:
        source = _end_of(source, question.tail_lines)
    begins = True  # of a line, and not of a part of one
    for entry in source:
        if not entry:
            continue
        when, _, tag, text = [*entry.split(b" ", 3), b"", b"", b""][:4]
        whole = text.endswith(b"\n") and tag != b"P"
        if when.decode(errors="replace") >= since:
            head = when + b" " if question.timestamps and begins else b""
            yield head + (text if whole else text.rstrip(b"\n"))
        begins = whole


def _end_of(source: Iterator[bytes], count: int) -> Iterator[bytes]:
    """The last lines of what is there now, and then all that comes.  The empty entry marks where "now" is."""
    there: list[bytes] = []
    lines = 0
    for entry in source:
        if not entry:
            break
        there.append(entry)
    wanted: list[bytes] = []
    for entry in reversed(there):
        ends_line = entry.split(b" ", 3)[2:3] == [b"F"]
        if ends_line or not wanted:
            if lines == count:
                break
            lines += 1
        wanted.append(entry)
    return chain(_all(reversed(wanted)), source)


def _all(entries: Iterable[bytes]) -> Iterator[bytes]:
    yield from entries


def _lines(path: str, follow: bool, has_ended: Callable[[], bool], reader: socket.socket) -> Iterator[bytes]:
    """The entries of a log with their line ends: the part put aside, the log, an empty entry, and what comes later."""
    with suppress(OSError), open(f"{path}.old", "rb") as old:
        yield from old
    try:
        file = open(path, "rb")  # noqa: SIM115
    except OSError:
        return
    try:
        rest = b""
        marked = False
        while True:
            ended = has_ended()  # asked before reading: what was written before the end is read then
            for entry in file:
                entry, rest = rest + entry, b""
                if not entry.endswith(b"\n"):  # it is being written
                    rest = entry
                    break
                yield entry
            if not marked:
                yield b""
                marked = True
            if not follow or (ended and not rest) or _has_gone(reader):
                return
            time.sleep(_OFTEN)
            file = _next_part(path, file)
    finally:
        file.close()


def _has_gone(reader: socket.socket) -> bool:
    try:
        return reader.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _next_part(path: str, file: BufferedReader) -> BufferedReader:
    """The log was put aside since, once it is read to its end."""
    with suppress(OSError):
        if os.stat(path).st_ino != os.fstat(file.fileno()).st_ino and not file.peek(1):
            newer = open(path, "rb")  # noqa: SIM115
            file.close()
            return newer
    return file
