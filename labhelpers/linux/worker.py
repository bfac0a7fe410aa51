"""One thread that visits network namespaces, so that the notebook's own threads never leave home.

``setns`` moves only the calling thread.  The notebook's main thread must not be moved: an interrupt between going
there and coming back would leave it in the wrong namespace.  So one background thread does all the visiting.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

from labhelpers.linux import libc
from labhelpers.linux.interrupt import held

__all__ = ["visit", "visit_each"]

Result = TypeVar("Result")


class _Worker:
    def __init__(self) -> None:
        self.pid = os.getpid()
        self.home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.jobs: SimpleQueue[tuple[Future[Any], int | None, Callable[[], Any]]] = SimpleQueue()
        self.thread = threading.Thread(target=self._work, name="namespace visitor", daemon=True)
        self.thread.start()

    def _work(self) -> None:
        while True:
            future, fd, job = self.jobs.get()
            try:
                future.set_result(self._visit(fd, job))
            except BaseException as error:  # handed to whoever waits
                future.set_exception(error)
            del future, job  # a finished job must not keep its result alive until the next one

    def _visit(self, fd: int | None, job: Callable[[], Any]) -> Any:
        if fd is not None:
            _enter(fd)
        try:
            return job()
        finally:
            _enter(self.home)


def _enter(fd: int) -> None:
    """Who has no privilege may not even enter the namespace it is in, but need not."""
    try:
        libc.setns(fd, libc.CLONE_NEWNET)
    except PermissionError:
        if os.stat("/proc/thread-self/ns/net").st_ino != os.fstat(fd).st_ino:
            raise


_worker: _Worker | None = None
_lock = threading.Lock()


def visit(fd: int | None, job: Callable[[], Result]) -> Result:
    """Run ``job`` in the network namespace behind ``fd`` and return its result.

    ``fd=None`` starts at home; the job may ``unshare`` a new namespace of its own.  The thread returns home afterwards.
    A job must be short: others wait.  An interrupt while waiting is raised when the job has ended, never in its middle.
    """
    global _worker
    with _lock:
        if _worker is None or _worker.pid != os.getpid():  # threads do not survive a fork
            _worker = _Worker()
        worker = _worker
    if threading.current_thread() is worker.thread:
        raise RuntimeError("a job cannot visit another namespace from inside one")
    future: Future[Result] = Future()
    with held():
        worker.jobs.put((future, fd, job))
        return future.result()


def visit_each(fds: Sequence[int], job: Callable[[], Result]) -> list[Result | None]:
    """Run a short job in each of these namespaces, in one tour: handing over to the thread costs more than a job.

    Returns:
        what the job returned in each, ``None`` for one that this process may not enter.
    """

    def tour() -> list[Result | None]:
        results: list[Result | None] = []
        for fd in fds:
            try:
                _enter(fd)
            except PermissionError:
                results.append(None)
            else:
                results.append(job())
        return results

    return visit(None, tour)
