"""``birth_of``: how a pod came to be, as a sequence diagram.  Each arrow stands for something that left a trace.

The traces are the pod's events, its conditions, and what a witness on the node has written of the plugin's call.
Who was told by a watch, and that a sandbox was asked for, leaves no trace of its own: it is drawn when what follows
from it has left one.  So where a birth got stuck, the diagram ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from labhelpers.cluster import Cluster
from labhelpers.course.kubectl import ask, events_of
from labhelpers.views import Sequence
from labhelpers.views.sequence import Message

__all__ = ["Birth", "Call", "birth_of", "calls_of"]

_USER, _API, _SCHEDULER, _KUBELET, _RUNTIME = "kubectl", "API server", "scheduler", "kubelet", "runtime"
_PLUGIN = "CNI plugin"
_PARTIES = (_USER, _API, _SCHEDULER, _KUBELET, _RUNTIME)
_WITNESS = "/run/witness"
_SANDBOX_ERROR = re.compile(r'.*failed to setup network for sandbox "[^"]*": ')
_NO_NETWORK = re.compile(r"NetworkReady=false reason:\S+ message:(Network plugin returns error: )?")
_ASSIGNED = re.compile(r"Successfully assigned \S+")
_LONGEST = 96


class _Arrow(NamedTuple):
    source: str
    target: str
    #: instead of the event's own message
    text: str = ""
    is_answer: bool = False


#: who tells whom, for each reason that an event of a pod can have
_ARROWS = {
    "Scheduled": _Arrow(_SCHEDULER, _API),
    "FailedScheduling": _Arrow(_SCHEDULER, _API),
    "NetworkNotReady": _Arrow(_KUBELET, _API),
    "SandboxCreated": _Arrow(_RUNTIME, _RUNTIME, "network namespace made"),
    "FailedCreatePodSandBox": _Arrow(_KUBELET, _API),
    "AddedInterface": _Arrow(_RUNTIME, _KUBELET, is_answer=True),
    "Pulling": _Arrow(_KUBELET, _RUNTIME),
    "Pulled": _Arrow(_RUNTIME, _KUBELET, "image is there", is_answer=True),
    "Created": _Arrow(_KUBELET, _RUNTIME, "create and start the container"),
    "Started": _Arrow(_RUNTIME, _KUBELET, "container started", is_answer=True),
    "Failed": _Arrow(_RUNTIME, _KUBELET, is_answer=True),
    "Unhealthy": _Arrow(_KUBELET, _API),
}


class Call(NamedTuple):
    """One call of a plugin, as a witness has written it down."""

    command: str
    #: seconds since 1970
    began: float
    ended: float
    #: what the pod's namespace held before: one line for each interface
    before: tuple[str, ...]
    after: tuple[str, ...]
    #: in short what the plugin printed
    answer: str = ""


class Birth:
    """The steps of one pod, in order of time.  A notebook shows them as a diagram."""

    def __init__(self, pod: Mapping[str, Any], events: list[dict[str, Any]], calls: tuple[Call, ...] = ()) -> None:
        self._pod, self._events = pod, events
        self.calls = calls

    @property
    def steps(self) -> list[tuple[float, Message]]:
        """When, in seconds since 1970, and who told whom what.  What the API server wrote at first has time 0."""
        name = self._pod["metadata"]["name"]
        found = [(0.0, Message(_USER, _API, f"create pod {name}"))]
        if any(event["reason"] in ("Scheduled", "FailedScheduling") for event in self._events):
            found.append((0.0, Message(_API, _SCHEDULER, f"watch: {name} has no node", is_answer=True)))
        found += sorted([*self._told(), *self._called()], key=lambda step: step[0])
        found += self._said_at_last()
        return found

    def _told(self) -> Iterator[tuple[float, Message]]:
        name, node = self._pod["metadata"]["name"], self._pod["spec"].get("nodeName", "")
        told: set[str] = set()
        for event in self._events:
            reason, when = event["reason"], _seconds(event)
            if reason not in _ARROWS or reason in told:  # a second attempt tells nothing new
                continue
            by_kubelet = event.get("source", {}).get("component") == _KUBELET
            if by_kubelet and not told - {"Scheduled", "FailedScheduling"}:
                yield when, Message(_API, _KUBELET, f"watch: {name} is on {node}", is_answer=True)
                if reason != "NetworkNotReady":
                    yield when, Message(_KUBELET, _RUNTIME, "make a sandbox")
            told.add(reason)
            arrow = _ARROWS[reason]
            yield when, Message(arrow.source, arrow.target, arrow.text or _short(event["message"]), arrow.is_answer)

    def _called(self) -> Iterator[tuple[float, Message]]:
        for call in self.calls:
            yield call.began, Message(_RUNTIME, _PLUGIN, f"{call.command} eth0")
            for line in call.after:
                if line not in call.before:
                    yield call.ended, Message(_PLUGIN, _PLUGIN, line, is_step=False)
            yield call.ended, Message(_PLUGIN, _RUNTIME, call.answer, is_answer=True)

    def _said_at_last(self) -> Iterator[tuple[float, Message]]:
        status = self._pod.get("status", {})
        conditions = {one["type"]: one["status"] for one in status.get("conditions", ())}
        if conditions.get("Ready") == "True":
            yield 0.0, Message(_KUBELET, _API, f"status: {status.get('podIP', '')}, Ready")
        for one in status.get("containerStatuses", ()):
            for state in (one.get("state", {}), one.get("lastState", {})):
                if "terminated" in state and conditions.get("Ready") != "True":
                    code = state["terminated"].get("exitCode")
                    yield 0.0, Message(_KUBELET, _API, f"status: {one['name']} ended with exit code {code}")
                    break

    @property
    def sequence(self) -> Sequence:
        """The diagram."""
        name = self._pod["metadata"]["name"]
        return Sequence([message for _, message in self.steps], _PARTIES, title=f"The birth of pod {name}")

    def timed(self) -> Sequence:
        """The diagram with milliseconds since the first event, at each step whose time is known."""
        steps = self.steps
        first = min((when for when, _ in steps if when), default=0.0)
        messages = [
            replace(one, when=f"{(when - first) * 1000:.0f} ms") if when and one.is_step else one for when, one in steps
        ]
        return Sequence(messages, _PARTIES, title=f"The birth of pod {self._pod['metadata']['name']}, with times")

    def __repr__(self) -> str:
        return repr(self.sequence)

    def _repr_mimebundle_(self, **more: Any) -> dict[str, str]:
        return self.sequence._repr_mimebundle_(**more)


def birth_of(name: str, namespace: str = "default") -> Birth:
    """How a pod came to be, as far as it has.  Changes nothing.

    What the plugin did is in it if a witness on the node wrote it into /run/witness, as chapter 05 does.

    Raises:
        NotFound: there is no such pod, or no cluster.
    """
    pod = ask("get", "pod", name, "-n", namespace)
    node = pod["spec"].get("nodeName", "")
    cluster = Cluster.running()
    calls = calls_of(Path(f"{cluster.node(node).root}{_WITNESS}"), name) if node in cluster.names else ()
    return Birth(pod, events_of(name, namespace), calls)


def calls_of(folder: Path, name: str) -> tuple[Call, ...]:
    """What a witness wrote of the call that added a pod: files NAME.ADD.before, .after and .stdout in ``folder``."""
    before, after, said = (folder / f"{name}.ADD.{one}" for one in ("before", "after", "stdout"))
    try:
        began, ended = before.stat().st_mtime, after.stat().st_mtime
        return (Call("ADD", began, ended, _seen(before), _seen(after), _answer(said.read_text())),)
    except FileNotFoundError:
        return ()


def _answer(printed: str) -> str:
    try:
        answer = json.loads(printed)
    except ValueError:
        return "no result"
    if "code" in answer:
        return f"error {answer['code']}: {answer.get('msg', '')}"
    return ", ".join(["result", *(one["address"] for one in answer.get("ips", ()))])


def _seen(file: Path) -> tuple[str, ...]:
    """What ``ip`` said, without what differs from run to run: numbers of interfaces, and flags."""
    lines = []
    for line in file.read_text().splitlines():
        words = re.sub(r"@\S+| proto .*", "", line).split()
        is_port = len(words) > 2 and re.fullmatch(r"([0-9a-f]{2}:){5}[0-9a-f]{2}", words[2])
        lines.append(f"{words[0]} is a port of cni0" if is_port else " ".join(words))
    return tuple(lines)


def _seconds(event: Mapping[str, Any]) -> float:
    written = str(event.get("eventTime") or event["firstTimestamp"]).replace("Z", "+00:00")
    return datetime.fromisoformat(written).timestamp()


def _short(message: str) -> str:
    text = _SANDBOX_ERROR.sub("no network: ", _NO_NETWORK.sub("", _ASSIGNED.sub("assigned", message)))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
