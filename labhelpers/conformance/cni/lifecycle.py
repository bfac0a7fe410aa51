"""What a runtime does around a chain: the container's namespace, and who may work at the same time."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

from labhelpers.cni import pod as pods
from labhelpers.conformance.cni.ask import Failed
from labhelpers.conformance.cni.requirement import Requirement, must_fail, requiring
from labhelpers.conformance.cni.stage import LAST, MIDDLE, Recorded, Stage

__all__ = ["REQUIREMENTS"]

REQUIREMENTS: list[Requirement] = []
_require = partial(requiring, REQUIREMENTS)
_LIFECYCLE = "section 3 lifecycle"
_SLOW = 0.1  # seconds: long beside what a runtime does between two calls


@_require("namespace.before", f"{_LIFECYCLE}, MUST", "A plugin furnishes the room; it does not build it.")
def _before(stage: Stage) -> str:
    runtime = stage.runtime()
    for name in ("a", "b"):
        runtime.add(stage.container(name))
    seen = [{one.container for one in stage.calls("ADD") if one.environment["CNI_CONTAINERID"] == stage.container(name)}
            for name in ("a", "b")]  # fmt: skip
    if any(len(one) != 1 for one in seen) or 0 in seen[0] | seen[1]:
        raise Failed("CNI_NETNS was no namespace when a plugin was called, or not the same for all")
    if seen[0] == seen[1] or stage.node.inode in seen[0] | seen[1]:
        raise Failed("a container has no namespace of its own")
    return "each container had a new one before its first plugin was called"


@_require("namespace.while-del", "section 2 DEL", "Until then there is something in it to remove.")
def _while_del(stage: Stage) -> str:
    runtime = stage.runtime()
    runtime.add(stage.container())
    runtime.delete(stage.container())
    if len({one.container for one in stage.calls()}) != 1:
        raise Failed("the namespace was gone, or another, when a plugin was called with DEL")
    return "it was there until the last plugin had ended"


@_require("namespace.after", f"{_LIFECYCLE}, is responsible for cleanup", "Namespaces that nobody needs add up.")
def _after(stage: Stage) -> str:
    runtime = stage.runtime()
    runtime.add(stage.container())
    runtime.add(stage.container(), "net1")
    runtime.delete(stage.container(), "net1")
    if not pods.exists(stage.node, stage.container()):
        raise Failed("it was gone while the container still had an interface")
    runtime.delete(stage.container())
    if pods.exists(stage.node, stage.container()):
        raise Failed("it is still there after DEL of the last interface")
    return "it went with the last interface"


@_require("namespace.after-failure", f"{_LIFECYCLE}, is responsible for cleanup", "The container was never started.")
def _after_failure(stage: Stage) -> str:
    stage.order(**{f"{LAST} ADD": {"error": {"code": 100, "msg": "told to fail"}}})
    must_fail(lambda: stage.runtime().add(stage.container()), "a plugin failed")
    if pods.exists(stage.node, stage.container()):
        raise Failed("it is still there after an ADD that failed")
    return "it went when ADD had failed"


def _slow(stage: Stage) -> None:
    stage.order(**{f"{MIDDLE} {command}": {"sleep": _SLOW} for command in ("ADD", "DEL", "GC")})


def _spans(calls: Iterable[Recorded]) -> list[tuple[int, int, str]]:
    """From the first plugin's begin to the last one's end, of each operation."""
    operations: dict[str, list[Recorded]] = {}
    for one in calls:
        container, ifname = one.environment.get("CNI_CONTAINERID", ""), one.environment.get("CNI_IFNAME", "")
        operations.setdefault(f"{one.command} {container} {ifname}".strip(), []).append(one)
    return sorted((min(c.began for c in of), max(c.ended for c in of), what) for what, of in operations.items())


def _none_overlap(spans: list[tuple[int, int, str]]) -> None:
    for (_, end, one), (begin, _, other) in pairwise(spans):
        if begin < end:
            raise Failed(f"{other} began before {one} had ended")


@_require("together.container", f"{_LIFECYCLE}, MUST NOT be in parallel", "Plugins need no locks for one container.")
def _one_at_a_time(stage: Stage) -> str:
    _slow(stage)
    runtimes = {ifname: stage.runtime() for ifname in ("eth0", "net1", "net2")}
    with ThreadPoolExecutor(len(runtimes)) as pool:
        list(pool.map(lambda ifname: runtimes[ifname].add(stage.container(), ifname), runtimes))
        list(pool.map(lambda ifname: runtimes[ifname].delete(stage.container(), ifname), runtimes))
    _none_overlap(_spans(stage.calls()))
    return "three ADD and three DEL of one container, one after the other"


@_require("together.gc", f"{_LIFECYCLE}, MUST be exclusive", "What is half made is in no list.")
def _gc_alone(stage: Stage) -> str:
    _slow(stage)
    runtime = stage.runtime()
    runtime.add(stage.container("old"))
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(runtime.add, stage.container(name)) for name in ("a", "b")]
        jobs += [pool.submit(stage.runtime().gc), pool.submit(runtime.delete, stage.container("old"))]
        for job in jobs:
            job.result()
    spans = _spans(stage.calls())
    for begin, end, what in spans:
        if what != "GC":
            _none_overlap(sorted([(begin, end, what), *(one for one in spans if one[2] == "GC")]))
    return "GC ran while no ADD and no DEL did"
