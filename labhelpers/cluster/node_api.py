"""What the API server asks a node for: logs, exec, attach and port-forward of a pod that runs there.

A real API server opens an HTTPS connection to the kubelet's port 10250 for these.  Here it is a protocol, which the
kubelet keeps and the API server calls; whoever joins them may be in one process or in two.

Everything that flows is a file descriptor.  An event loop adds its reader or writer for it, a thread reads it, and
closing it ends the flow.  The calls themselves take milliseconds, and block for those.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["LogQuestion", "NodeApi", "Session"]


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What ``kubectl logs`` asks for; the names are those of the query (``PodLogOptions``)."""

    #: ``""`` where the pod has one container
    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    #: RFC 3339
    since_time: str = ""
    since_seconds: float | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None


@dataclass
class Session:
    """A program in a container, or the container itself: what it reads and writes, and how it ends.

    A file descriptor is -1 where there is none.  With a terminal, ``stdin`` and ``stdout`` are one terminal, and there
    is no ``stderr``.  Whoever gets a session must ``close`` it.
    """

    #: to be written to; its end of file is made with ``close_stdin``
    stdin: int = -1
    #: to be read until its end of file
    stdout: int = -1
    stderr: int = -1
    #: the exit status, with 128 and the signal's number for a program that a signal ended
    exit: Future[int] = field(default_factory=Future)

    def resize(self, columns: int, rows: int) -> None:
        """Tell the terminal its size.  Without a terminal nothing changes."""
        raise NotImplementedError

    def close_stdin(self) -> None:
        """Let the program read the end of its input."""
        raise NotImplementedError

    def close(self) -> None:
        """Close what is open of it, and end an exec'd program that still runs."""
        raise NotImplementedError


class NodeApi(Protocol):
    """A node's kubelet as the API server sees it.

    A pod is the API object, with ``metadata.uid``.  All methods raise ``NotFound`` (this node has no such pod, or the
    pod no such container) and ``BadInput`` (it is there, and cannot do this now: "container "web" in pod "web" is
    waiting to start: ContainerCreating"); ``what`` of the error is the message that kubectl shows.
    """

    def logs(self, pod: Mapping[str, Any], question: LogQuestion) -> int:
        """A file descriptor from which the log is read until its end; closing it ends a log that is followed."""
        ...

    def exec(
        self,
        pod: Mapping[str, Any],
        container: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> Session:
        """Start a program in a running container.

        A program that is not there raises ``BadInput`` with the words that a real runtime has for it.
        """
        ...

    def attach(
        self,
        pod: Mapping[str, Any],
        container: str,
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> Session:
        """Join a running container: what it writes from now on, and its input if it was made with one.

        ``exit`` becomes 0 when the container ends, however it does: kubectl asks the pod's status for that, and takes
        anything else for an attachment that failed.  Closing the session leaves the container running.
        """
        ...

    def port_forward(self, pod: Mapping[str, Any], port: int) -> socket.socket:
        """A TCP connection to a port on the pod's own localhost, made inside the pod's network namespace.

        Raises:
            BadInput: nobody listens there.
        """
        ...
