"""The shim's process: parent of every sandbox, container and exec'd program.  Run as a program, by ``shim``.

``python -m labhelpers.linux.container.server FD``: on this socket come requests, one JSON object a message, with file
descriptors; answers and the news of who has ended go back.  It has one thread and waits in one place.  When the other
side goes, all that it has started is ended.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from select import select
from typing import Any

from labhelpers.linux import libc
from labhelpers.linux.container.birth import Stage, become
from labhelpers.linux.container.output import Log, Output
from labhelpers.linux.container.spec import ContainerSpec, ExecSpec, Spec, spec_from_json

__all__ = ["MOST_FDS", "Server", "main"]

MOST_FDS = 3
_LARGEST_REQUEST = 1 << 20
_TERMINAL = b"terminal"
_NO_SUCH = {"stage": "find", "errno": 3}


@dataclass
class _Child:
    pid: int
    pidfd: int
    #: the line on which it says how its birth goes
    birth: socket.socket
    request: int
    outputs: list[Output] = field(default_factory=list)
    log: Log | None = None
    #: our end of its input or its terminal
    stdin: int = -1


class Server:
    """Everything the process knows: who lives, and whom it talks to."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._children: dict[int, _Child] = {}
        self._selector = selectors.DefaultSelector()
        self._own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        self._selector.register(line, selectors.EVENT_READ, self._request)
        self._goes_on = True

    def serve(self) -> None:
        """Serve until the other side goes; then end everything."""
        while self._goes_on:
            for key, _ in self._selector.select():
                # one that was unregistered by a job before it in this round is not asked again
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        # as they come: a container has not ended before the programs in it, which are also ours to wait for, are reaped
        for _ in self._children:
            os.waitpid(-1, 0)

    # --- requests ----------------------------------------------------------------------------------------------------

    def _request(self) -> None:
        text, fds, _, _ = socket.recv_fds(self._line, _LARGEST_REQUEST, MOST_FDS)
        for fd in fds:
            os.set_inheritable(fd, False)
        if not text:
            self._goes_on = False
            return
        message = json.loads(text)
        job: Callable[[dict[str, Any], list[int]], None] = {
            "start": self._start,
            "signal": self._signal,
            "attach": self._attach,
            "close stdin": self._close_stdin,
        }[message["do"]]
        try:
            job(message, fds)
        except OSError as error:
            self._answer(message["id"], error={"stage": "fork", "errno": error.errno, "what": str(error)})
        finally:
            for fd in fds:
                os.close(fd)

    def _answer(self, request: int, fds: Sequence[int] = (), **fields: Any) -> None:
        with suppress(OSError):  # the other side has gone: the next turn ends
            socket.send_fds(self._line, [json.dumps({"id": request, **fields}).encode()], fds)

    def _start(self, message: dict[str, Any], fds: list[int]) -> None:
        spec = spec_from_json(message["spec"])
        inside = getattr(spec, "container", 0) or getattr(spec, "sandbox", 0)
        if inside and inside not in self._children:  # its number may be another process's by now
            self._answer(message["id"], error=_NO_SUCH)
            return
        birth, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        child = _Child(0, -1, birth, message["id"])
        theirs = self._stdio(spec, child, fds)
        try:
            child.pid = self._fork(spec, theirs, told)
        except OSError:
            birth.close()
            self._close_all(child)
            raise
        finally:
            told.close()
            for fd in {*theirs} - {*fds, self._null}:
                os.close(fd)
        child.pidfd = os.pidfd_open(child.pid)
        self._children[child.pid] = child
        self._selector.register(birth, selectors.EVENT_READ, lambda: self._news(child, spec))

    def _stdio(self, spec: Spec, child: _Child, fds: list[int]) -> list[int]:
        """Its input, output and error output; our ends go into ``child``."""
        if isinstance(spec, ExecSpec):
            return fds
        if not isinstance(spec, ContainerSpec):
            return [self._null] * 3
        child.log = Log(spec.log)
        if spec.tty:  # it makes its terminal itself, inside
            return []
        stdin = self._null
        if spec.stdin:
            stdin, child.stdin = os.pipe()
        out, err = os.pipe(), os.pipe()
        child.outputs = [Output(out[0], "stdout", child.log), Output(err[0], "stderr", child.log)]
        return [stdin, out[1], err[1]]

    def _fork(self, spec: Spec, stdio: Sequence[int], told: socket.socket) -> int:
        """Fork into a new pid namespace, or into the container's."""
        if isinstance(spec, ExecSpec):
            fd = os.open(f"/proc/{spec.container}/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
            try:
                libc.setns(fd, libc.CLONE_NEWPID)
            finally:
                os.close(fd)
        else:
            libc.unshare(libc.CLONE_NEWPID)
        pid = -1
        try:
            pid = os.fork()
        finally:
            if pid:  # also when there was no fork; never the child, whose own pid may by chance be the same as ours
                libc.setns(self._own_pids, libc.CLONE_NEWPID)
        if pid:
            return pid
        stage = Stage()
        try:
            become(spec, stdio, stage, lambda terminal: socket.send_fds(told, [_TERMINAL], [terminal]))
        except BaseException as error:
            errno = error.errno if isinstance(error, OSError) else None
            told.send(json.dumps({"stage": stage.name, "errno": errno, "what": str(error)}).encode())
        finally:
            os._exit(127)

    def _news(self, child: _Child, spec: Spec) -> None:
        """It has made its terminal; or it runs, and nobody has the other end of the line any more; or it could not."""
        text, fds, _, _ = socket.recv_fds(child.birth, 65536, 1)
        if text == _TERMINAL:
            (child.stdin,) = fds
            os.set_inheritable(child.stdin, False)
            if child.log:
                child.outputs = [Output(os.dup(child.stdin), "stdout", child.log)]
            return
        self._selector.unregister(child.birth)
        child.birth.close()
        if text:
            os.waitpid(child.pid, 0)
            del self._children[child.pid]
            self._close_all(child)
            self._answer(child.request, error=json.loads(text))
            return
        self._born(child, hand_over=isinstance(spec, ExecSpec))

    def _born(self, child: _Child, *, hand_over: bool) -> None:
        """It runs.  Who asked for a program in a container also gets the terminal."""
        terminal = [child.stdin] if hand_over and child.stdin >= 0 else []
        self._answer(child.request, terminal, pid=child.pid)
        for fd in terminal:
            os.close(fd)
            child.stdin = -1
        self._selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._ended(child))
        for output in child.outputs:
            self._selector.register(output.fd, selectors.EVENT_READ, self._reader(child, output))

    def _reader(self, child: _Child, output: Output) -> Callable[[], None]:
        def job() -> None:
            if not output.read():
                self._close_output(child, output)

        return job

    def _close_output(self, child: _Child, output: Output) -> None:
        self._selector.unregister(output.fd)
        os.close(output.fd)
        child.outputs.remove(output)

    def _ended(self, child: _Child) -> None:
        self._selector.unregister(child.pidfd)
        for output in tuple(child.outputs):  # what it wrote last
            while select([output.fd], [], [], 0)[0] and output.read():
                pass
            output.release()
            self._close_output(child, output)
        _, status = os.waitpid(child.pid, 0)
        del self._children[child.pid]
        self._close_all(child)
        code = os.waitstatus_to_exitcode(status)
        with suppress(OSError):
            self._line.send(json.dumps({"ended": child.pid, "code": max(code, 0), "signal": max(-code, 0)}).encode())

    def _close_all(self, child: _Child) -> None:
        for fd in (child.pidfd, child.stdin, *(output.fd for output in child.outputs)):
            if fd >= 0:
                os.close(fd)
        if child.log:
            child.log.close()

    def _signal(self, message: dict[str, Any], _: list[int]) -> None:
        if message["pid"] not in self._children:
            self._answer(message["id"], error=_NO_SUCH)
            return
        os.kill(message["pid"], message["signal"])
        self._answer(message["id"])

    def _attach(self, message: dict[str, Any], fds: list[int]) -> None:
        child = self._children.get(message["pid"])
        if child is None:
            self._answer(message["id"], error=_NO_SUCH)
            return
        for stream, fd in zip(message["streams"], fds, strict=True):
            for output in child.outputs:
                if output.stream == stream:
                    output.attach(os.dup(fd))
        self._answer(message["id"], [child.stdin] if child.stdin >= 0 else ())

    def _close_stdin(self, message: dict[str, Any], _: list[int]) -> None:
        child = self._children.get(message["pid"])
        if child and child.stdin >= 0:
            os.close(child.stdin)
            child.stdin = -1
        self._answer(message["id"])


def main() -> None:
    """Serve on the socket whose number is the argument."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in a terminal is for the notebook
    with socket.socket(fileno=int(sys.argv[1])) as line:
        line.set_inheritable(False)
        Server(line).serve()


if __name__ == "__main__":
    main()
