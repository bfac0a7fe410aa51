"""The shim: starts sandboxes, containers and programs in containers, and learns how they end."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from labhelpers.errors import LabError, NotFound, Vanished
from labhelpers.linux.container.birth import EXEC
from labhelpers.linux.container.server import MOST_FDS
from labhelpers.linux.container.spec import Spec, spec_to_json
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.interrupt import held

__all__ = ["CannotStart", "Ended", "Running", "Shim"]

Answer: TypeAlias = tuple[dict[str, Any], list[int]]

_LARGEST_ANSWER = 1 << 17
_PATIENCE = 5.0  # seconds for the process to end when it is told to


class CannotStart(LabError):
    """The program itself could not be started: it is not there, or not executable.  ``errno`` says why."""


@dataclass(frozen=True)
class Ended:
    """How a process ended: by itself with ``code``, or by ``signal``, which is 0 otherwise."""

    code: int
    signal: int = 0

    @property
    def status(self) -> int:
        """One number, as shells and Kubernetes have it."""
        return 128 + self.signal if self.signal else self.code


@dataclass(frozen=True)
class Running:
    """A process that was started."""

    pid: int
    ended: Future[Ended] = field(default_factory=Future, compare=False)
    #: of a program in a container that has a terminal: the outer end of it, which is the caller's to close
    terminal: int = -1


class _Line:
    """One process of the shim, and the conversation with it, until it ends."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        package = str(Path(__file__).resolve().parents[3])
        paths = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
        with theirs, held():
            self.process = subprocess.Popen(
                [sys.executable, "-m", "labhelpers.linux.container.server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": paths},
            )
        self._socket = ours
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Future[Answer]] = {}
        self._running: dict[int, Running] = {}
        self._reader = threading.Thread(target=self._read, name="shim reader", daemon=True)
        self._reader.start()

    @property
    def alive(self) -> bool:
        """Does it still serve?"""
        return self._reader.is_alive()

    def knows(self, one: Running) -> bool:
        """Was it started over this line, and has not ended?"""
        return self._running.get(one.pid) is one

    def ask(self, message: dict[str, Any], fds: Sequence[int] = ()) -> Answer:
        """Send a request and wait for the answer, which may bring file descriptors.  Raises ``Vanished``."""
        future: Future[Answer] = Future()
        number = next(self._numbers)
        text = json.dumps({"id": number, **message}).encode()
        with self._lock:
            self._answers[number] = future
            try:
                socket.send_fds(self._socket, [text], fds)
            except OSError as error:
                del self._answers[number]
                if error.errno == errno.EMSGSIZE:
                    raise LabError(
                        f"The command and its environment are too long to be started: {len(text)} bytes.",
                        "Put the long part into a file, such as a volume of a ConfigMap.",
                        errno=error.errno,
                    ) from None
                raise _gone() from None
        return future.result()

    def close(self) -> None:
        """End the process and wait for it."""
        with self._lock:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:  # it has ended already
                pass
        try:
            self.process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()

    def _read(self) -> None:
        try:
            while True:
                text, fds, _, _ = socket.recv_fds(self._socket, _LARGEST_ANSWER, MOST_FDS)
                if not text:
                    break
                for fd in fds:
                    os.set_inheritable(fd, False)
                self._hear(json.loads(text), fds)
        except OSError:
            pass
        self.process.wait()
        with self._lock:
            self._socket.close()
            waiting, self._answers = self._answers, {}
        for future in waiting.values():
            future.set_exception(_gone())
        running, self._running = self._running, {}
        for one in running.values():
            one.ended.set_result(Ended(0, signal.SIGKILL))

    def _hear(self, message: dict[str, Any], fds: list[int]) -> None:
        if "ended" in message:
            self._running.pop(message["ended"]).ended.set_result(Ended(message["code"], message["signal"]))
            return
        if "pid" in message:  # noted here, in order: the news that it ended may be next
            one = Running(message["pid"], terminal=fds[0] if fds else -1)
            message["running"] = self._running[message["pid"]] = one
        with self._lock:
            future = self._answers.pop(message["id"])
        future.set_result((message, fds))


class Shim:
    """A process of its own that is the parent of what it starts.  All methods may be called from any thread.

    When this process ends, however it ends, the shim ends and with it all that it started.  If the shim itself is
    killed, what it started ends, which is told; the next start begins another.

    Raises:
        NotInSandbox.
    """

    def __init__(self) -> None:
        require_sandbox()
        self._lock = threading.Lock()
        self._closed = False
        self._line = _Line()

    @property
    def pid(self) -> int:
        """The shim's process."""
        return self._line.process.pid

    def start(self, spec: Spec, stdio: Sequence[int] = ()) -> Running:
        """Start what the specification describes, and wait until it runs.

        Args:
            stdio: for an exec without a terminal, its input, output and error output; they stay the caller's to close.

        Raises:
            CannotStart: the program is not there or not executable.
            LabError: the kernel refused something before, or the shim ended meanwhile.
            Vanished: the shim was closed.
        """
        with self._lock:
            if self._closed:
                raise _gone()
            if not self._line.alive:
                self._line = _Line()
            line = self._line
        try:
            answer, _ = line.ask({"do": "start", "spec": spec_to_json(spec)}, stdio)
        except Vanished as error:
            if self._closed:
                raise
            raise LabError(error.what, "It is begun anew: try again.") from None
        if refusal := answer.get("error"):
            raise _explained(refusal, spec)
        running: Running = answer["running"]
        return running

    def signal(self, one: Running, number: int) -> None:
        """Send a signal; to one that has ended it is none.  Shell: ``kill -NUMBER PID``."""
        line = self._line
        if line.knows(one):
            with suppress(Vanished):  # the shim has ended, and it too
                line.ask({"do": "signal", "pid": one.pid, "signal": int(number)})

    def kill(self, one: Running) -> None:
        """End a process with all that is in its pid namespace, and wait.  Shell: ``kill -9 PID``."""
        self.signal(one, signal.SIGKILL)
        one.ended.result()

    def attach(self, one: Running, streams: Sequence[str], fds: Sequence[int]) -> int:
        """From now on, write what a container writes to ``stdout`` and ``stderr`` into these descriptors too.

        Returns:
            a descriptor of its input or terminal, -1 if it was made without.

        Raises:
            NotFound: it has ended.
        """
        line = self._line
        message = {"do": "attach", "pid": one.pid, "streams": list(streams)}
        answer, got = line.ask(message, fds) if line.knows(one) else ({"error": "ended"}, [])
        if answer.get("error"):
            raise NotFound(f"Process {one.pid} has ended.", "Look at its log.")
        return got[0] if got else -1

    def close_stdin(self, one: Running) -> None:
        """Let a container read the end of its input, once everybody attached has closed theirs too."""
        line = self._line
        if line.knows(one):
            with suppress(Vanished):
                line.ask({"do": "close stdin", "pid": one.pid})

    def close(self) -> None:
        """End the shim and all it started, and wait until they are gone."""
        with self._lock:
            self._closed = True
        self._line.close()

    def __enter__(self) -> Shim:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _gone() -> Vanished:
    return Vanished("The process that keeps the containers has ended.", "Start the cluster again.")


def _explained(error: dict[str, Any], spec: Spec) -> LabError:
    number = error.get("errno") or 0
    words = os.strerror(number) if number else error.get("what", "")
    program = getattr(spec, "args", ("",))[0]
    if error["stage"] == EXEC:
        return CannotStart(f"exec: {program!r}: {words}", "Check the command.", errno=number)
    return LabError(
        f"A {spec.kind} could not be started ({error['stage']}): {error.get('what') or words}.",
        "Run doctor() to see what this sandbox may do.",
        errno=number or None,
    )
