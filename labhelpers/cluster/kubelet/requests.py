"""``Requests``: a kubelet's answers to the API server: logs, exec, attach, port-forward."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from labhelpers.cluster.kubelet import places
from labhelpers.cluster.kubelet.logs import open_log
from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.cluster.kubelet.worker import PodWorker
from labhelpers.cluster.node_api import LogQuestion, Session
from labhelpers.errors import BadInput, LabError, NotFound
from labhelpers.linux.container import terminal
from labhelpers.linux.container.shim import CannotStart, Ended, Running, Shim
from labhelpers.linux.container.spec import ExecSpec

__all__ = ["ContainerSession", "Requests"]


class ContainerSession(Session):
    """A session with a program of the shim's."""

    def __init__(self, shim: Shim, running: Running, *, owned: bool, tty: bool, closes_stdin: bool = False) -> None:
        super().__init__()
        self._shim, self._running, self._owned, self._tty = shim, running, owned, tty
        self._closes_stdin = closes_stdin
        running.ended.add_done_callback(lambda ended: self._tell(ended.result()))

    def _tell(self, ended: Ended) -> None:
        if not self.exit.done():
            self.exit.set_result(ended.status if self._owned else 0)

    def resize(self, columns: int, rows: int) -> None:
        """See ``Session``."""
        if self._tty and self.stdin >= 0:
            terminal.resize(self.stdin, columns, rows)

    def close_stdin(self) -> None:
        """See ``Session``."""
        if self.stdin >= 0 and not self._tty:
            os.close(self.stdin)
            self.stdin = -1
            if self._closes_stdin:
                self._shim.close_stdin(self._running)

    def close(self) -> None:
        """See ``Session``."""
        self.close_stdin()
        for fd in {self.stdin, self.stdout, self.stderr} - {-1}:
            os.close(fd)
        self.stdin = self.stdout = self.stderr = -1
        if self._owned and not self._running.ended.done():
            self._shim.signal(self._running, signal.SIGKILL)


class Requests:
    """Answers for the pods of one node.  See ``NodeApi``.

    Args:
        workers: the node's pods by uid.
    """

    def __init__(self, workers: Mapping[str, PodWorker], shim: Shim) -> None:
        self._workers, self._shim = workers, shim

    def _worker(self, pod: Mapping[str, Any]) -> PodWorker:
        meta = pod["metadata"]
        worker = self._workers.get(meta["uid"])
        if worker is None:
            raise NotFound(f'pod "{meta["name"]}_{meta["namespace"]}" is not running on this node', "Look again.")
        return worker

    def _container(self, worker: PodWorker, name: str) -> ContainerState:
        for one in worker.containers:
            if one.name == name or (not name and not one.is_init):
                return one
        raise NotFound(
            f"container {name} is not valid for pod {worker.pod['metadata']['name']}", "See kubectl get pod."
        )

    def logs(self, pod: Mapping[str, Any], question: LogQuestion) -> int:
        """See ``NodeApi.logs``."""
        worker = self._worker(pod)
        one = self._container(worker, question.container)
        name, waiting = worker.pod["metadata"]["name"], one.waiting[0]
        number = one.restarts
        if question.previous:
            # while it waits to be started again, the log of the last time is the current one too
            number -= 0 if one.crashed else 1
            if one.last is None or number < 0:
                raise BadInput(
                    f'previous terminated container "{one.name}" in pod "{name}" not found', "Leave --previous out."
                )
        root = worker.host.node.root
        path = f"{root}{places.log_file(worker.pod, one.name, number)}"
        if number and not question.previous and not os.path.exists(path):  # it is being started again this moment
            path = f"{root}{places.log_file(worker.pod, one.name, number - 1)}"
        if not os.path.exists(path):
            if one.running or one.ended or one.last:
                raise BadInput(f'the log of container "{one.name}" in pod "{name}" is not there any more', "")
            verb = "trying and failing to pull image" if waiting.startswith(("ErrImage", "ImagePull")) else ""
            raise BadInput(
                f'container "{one.name}" in pod "{name}" is waiting to start: {verb or waiting}',
                "kubectl describe pod.",
            )
        started = one.started
        return open_log(path, question, lambda: question.previous or started is None or started.running.ended.done())

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
        """See ``NodeApi.exec``."""
        one = self._running(pod, container)
        started = one.started
        assert started is not None
        ours, theirs = ((-1, -1, -1), []) if tty else _pipes(stdin, stdout, stderr)
        environment = {"TERM": "xterm", **started.environment} if tty else started.environment
        spec = ExecSpec(started.running.pid, tuple(command), environment, started.cwd, started.who, tty)
        try:
            running = self._shim.start(spec, theirs)
        except LabError as error:
            for fd in {*ours} - {-1}:
                os.close(fd)
            raise BadInput(_refused(command[0], error), error.to_do) from None
        finally:
            for fd in set(theirs):
                os.close(fd)
        session = ContainerSession(self._shim, running, owned=True, tty=tty)
        if tty:
            ours = (running.terminal, os.dup(running.terminal), -1)
        session.stdin, session.stdout, session.stderr = ours
        return session

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
        """See ``NodeApi.attach``."""
        one = self._running(pod, container)
        started, is_tty = one.started, bool(one.spec.get("tty"))
        assert started is not None
        streams = [name for name, wanted in (("stdout", stdout), ("stderr", stderr and not is_tty)) if wanted]
        pairs = [socket.socketpair() for _ in streams]
        try:
            theirs = self._shim.attach(started.running, streams, [far.fileno() for _, far in pairs])
        except NotFound:
            for near, _ in pairs:
                near.close()
            raise _does_not_run(one) from None
        finally:
            for _, far in pairs:
                far.close()
        session = ContainerSession(
            self._shim, started.running, owned=False, tty=is_tty, closes_stdin=bool(one.spec.get("stdinOnce"))
        )
        for name, (near, _) in zip(streams, pairs, strict=True):
            setattr(session, name, near.detach())
        if stdin or is_tty:
            session.stdin = theirs
        elif theirs >= 0:
            os.close(theirs)
        return session

    def _running(self, pod: Mapping[str, Any], container: str) -> ContainerState:
        worker = self._worker(pod)
        one = self._container(worker, container)
        if one.started is None:
            raise _does_not_run(one)
        return one

    def port_forward(self, pod: Mapping[str, Any], port: int) -> socket.socket:
        """See ``NodeApi.port_forward``."""
        worker = self._worker(pod)
        if worker.sandbox is None:
            raise BadInput(f"pod {worker.pod['metadata']['name']} has no network yet", "Wait until it runs.")
        kernel = worker.network()
        made: socket.socket = kernel.visit(socket.socket)
        try:
            made.settimeout(5)
            made.connect(("127.0.0.1", port))
            made.settimeout(None)
        except OSError as error:
            made.close()
            words = os.strerror(error.errno).lower() if error.errno else str(error)
            raise BadInput(
                f"error forwarding port {port} to pod {worker.pod['metadata']['uid']}: failed to connect to "
                f"localhost:{port} inside namespace: dial tcp4 127.0.0.1:{port}: connect: {words}",
                "See which ports the program in the pod listens on.",
            ) from None
        return made


def _does_not_run(one: ContainerState) -> BadInput:
    return BadInput(
        f'unable to upgrade connection: container not found ("{one.name}")', "It does not run: kubectl get pod."
    )


def _pipes(stdin: bool, stdout: bool, stderr: bool) -> tuple[tuple[int, int, int], list[int]]:
    """Our ends and theirs; what is not wanted is the null device on their side."""
    ours, theirs = [-1, -1, -1], []
    for position, wanted in enumerate((stdin, stdout, stderr)):
        if not wanted:
            theirs.append(os.open(os.devnull, os.O_RDWR))
            continue
        reads, writes = os.pipe()
        ours[position], far = (writes, reads) if position == 0 else (reads, writes)
        theirs.append(far)
    return (ours[0], ours[1], ours[2]), theirs


def _refused(program: str, error: LabError) -> str:
    if isinstance(error, CannotStart):
        missing = "executable file not found in $PATH" if "/" not in program else "no such file or directory"
        words = missing if error.errno == 2 else os.strerror(error.errno or 0).lower()
        return (
            "OCI runtime exec failed: exec failed: unable to start container process: "
            f'exec: "{program}": {words}: unknown'
        )
    return error.what
