"""``Prober``: asks a container whether it has started, is ready, is alive.

Each probe has its own rhythm; one thread asks them all.  HTTP and TCP probes come from the node's network, as a real
kubelet's do; commands run in the container.

Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/.
"""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labhelpers.cluster.events import WARNING
from labhelpers.cluster.kubelet.state import ContainerState
from labhelpers.errors import LabError
from labhelpers.linux.container.spec import ExecSpec

if TYPE_CHECKING:
    from labhelpers.cluster.kubelet.host import Host

__all__ = ["Prober"]

_KINDS = {"startupProbe": "Startup", "livenessProbe": "Liveness", "readinessProbe": "Readiness"}
_MOST_OUTPUT = 10240


@dataclass
class _Probe:
    kind: str
    spec: Mapping[str, Any]
    next_at: float
    successes: int = 0
    failures: int = 0

    @property
    def passed(self) -> bool:
        return self.successes >= int(self.spec.get("successThreshold") or 1)

    @property
    def failed(self) -> bool:
        return self.failures >= int(self.spec.get("failureThreshold") or 3)


class Prober:
    """The probes of one container since it was started.

    Args:
        address: the pod's.
        wake: called when something has changed.
    """

    def __init__(self, host: Host, container: ContainerState, address: str, wake: Callable[[], None]) -> None:
        now = time.monotonic()
        self._host, self._container, self._address, self._wake = host, container, address, wake
        self._probes = {
            kind: _Probe(kind, spec, now + float(spec.get("initialDelaySeconds") or 0))
            for kind in _KINDS
            if (spec := container.spec.get(kind))
        }
        self.passed_startup = "startupProbe" not in self._probes
        self.ready = self.passed_startup and "readinessProbe" not in self._probes
        #: why the container is to be started again, ``""`` if it is not
        self.verdict = ""
        self._news: list[tuple[str, str, str]] = []
        self._stop = threading.Event()
        self._started = container.started

    def start(self) -> None:
        """Begin to ask.  Without probes there is nothing to do."""
        if self._probes:
            threading.Thread(target=self._run, name=f"prober {self._container.name}", daemon=True).start()

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def news(self) -> list[tuple[str, str, str]]:
        """Events since the last call: type, reason, message."""
        news, self._news = self._news, []
        return news

    def _run(self) -> None:
        while not self.verdict:
            due = self._due()
            if self._stop.wait(max(0.0, due.next_at - time.monotonic())):
                return
            due.next_at = time.monotonic() + float(due.spec.get("periodSeconds") or 10)
            trouble = self._ask(due.spec)
            if self._stop.is_set():
                return
            self._judge(due, trouble)

    def _due(self) -> _Probe:
        """The probe whose turn is next.  Until the container has started up, the others wait."""
        waiting = [one for one in self._probes.values() if self.passed_startup or one.kind == "startupProbe"]
        if self.passed_startup:
            waiting = [one for one in waiting if one.kind != "startupProbe"] or waiting
        return min(waiting, key=lambda one: one.next_at)

    def _judge(self, probe: _Probe, trouble: str) -> None:
        if trouble:
            probe.successes, probe.failures = 0, probe.failures + 1
            self._news.append((WARNING, "Unhealthy", f"{_KINDS[probe.kind]} probe failed: {trouble}"))
        else:
            probe.successes, probe.failures = probe.successes + 1, 0
        if probe.kind == "readinessProbe":
            self.ready = probe.passed or (self.ready and not probe.failed)
        elif probe.failed:
            self.verdict = f"failed {_KINDS[probe.kind].lower()} probe"
        elif probe.kind == "startupProbe" and probe.passed:
            self.passed_startup = True
            self.ready = "readinessProbe" not in self._probes
        self._wake()

    # --- the questions -----------------------------------------------------------------------------------------------

    def _ask(self, spec: Mapping[str, Any]) -> str:
        """``""`` if all is well, else what is wrong."""
        timeout = float(spec.get("timeoutSeconds") or 1)
        if action := spec.get("httpGet"):
            return self._http(action, timeout)
        if action := spec.get("tcpSocket"):
            return self._tcp(action, timeout)
        if action := spec.get("exec"):
            return self._exec(action.get("command") or (), timeout)
        return "this kind of probe is not implemented in this cluster"

    def _connected(self, action: Mapping[str, Any], timeout: float) -> socket.socket:
        port = self._port(action.get("port", 80))
        made: socket.socket = self._host.node._kernel.visit(socket.socket)
        try:
            made.settimeout(timeout)
            made.connect((action.get("host") or self._address, port))
        except BaseException:
            made.close()
            raise
        return made

    def _port(self, given: int | str) -> int:
        if isinstance(given, int) or given.isdigit():
            return int(given)
        for one in self._container.spec.get("ports") or ():
            if one.get("name") == given:
                return int(one["containerPort"])
        raise OSError(f"couldn't find port: {given}")

    def _http(self, action: Mapping[str, Any], timeout: float) -> str:
        if action.get("scheme", "HTTP").upper() != "HTTP":
            return "HTTPS probes are not implemented in this cluster"
        try:
            with self._connected(action, timeout) as made:
                path, where = action.get("path") or "/", made.getpeername()
                headers = {one["name"]: one["value"] for one in action.get("httpHeaders") or ()}
                connection = http.client.HTTPConnection(where[0], where[1], timeout=timeout)
                connection.sock = made
                connection.request("GET", path, headers={"User-Agent": "kube-probe", **headers})
                status = connection.getresponse().status
        except (OSError, LabError, http.client.HTTPException) as error:
            return f'Get "http://{self._address}:{action.get("port")}{action.get("path") or "/"}": {_words(error)}'
        return "" if 200 <= status < 400 else f"HTTP probe failed with statuscode: {status}"

    def _tcp(self, action: Mapping[str, Any], timeout: float) -> str:
        try:
            self._connected(action, timeout).close()
        except (OSError, LabError) as error:
            return f"dial tcp {self._address}:{action.get('port')}: connect: {_words(error)}"
        return ""

    def _exec(self, command: object, timeout: float) -> str:
        started = self._started
        assert started is not None and isinstance(command, (list, tuple))
        out, theirs = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        try:
            spec = ExecSpec(started.running.pid, tuple(command), started.environment, started.cwd, started.who)
            running = self._host.shim.start(spec, [null, theirs, theirs])
        except LabError as error:
            os.close(out)
            return error.what
        finally:
            os.close(theirs)
            os.close(null)
        try:
            status = running.ended.result(timeout).status
        except TookTooLong:
            self._host.shim.kill(running)
            return f"command timed out: {' '.join(command)!r} timed out after {timeout:g}s"
        finally:
            os.set_blocking(out, False)
            try:
                said = os.read(out, _MOST_OUTPUT).decode(errors="replace")
            except BlockingIOError:
                said = ""
            os.close(out)
        return "" if status == 0 else (said.strip() or f"command terminated with exit code {status}")


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "i/o timeout"
    return (getattr(error, "strerror", None) or str(error)).lower()
