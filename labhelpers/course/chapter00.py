"""The exercise of chapter 00: how exercises work."""

from __future__ import annotations

from collections.abc import Iterator

from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.questions import exists, pinged
from labhelpers.lab import Namespace
from labhelpers.topology import Snapshot

__all__ = ["EXERCISES"]


def _hello() -> Iterator[Todo]:
    if not exists("pod-a").ok:
        yield Todo(False, "the lab of this chapter is there", "there is no pod-a; run the cells from the top")
        return
    yield exists("hello")
    hello = Snapshot.take()["hello"] if Namespace("hello").exists else None
    role, node = (hello.role, hello.node) if hello else ("", "")
    yield Todo(
        (role, node) == ("pod", "node-1"),
        "hello is a pod on node-1",
        f"it is a {role}{node and ' on ' + node}",
    )
    address = next((one.split("/")[0] for one in hello.addresses), "") if hello else ""
    yield Todo(bool(address), "hello has an address", "it has none")
    if address:
        yield pinged(Namespace("pod-a"), address, "pod-a reaches it")


EXERCISES = (
    Exercise(
        id="0.1",
        title="a third pod",
        task="Make a pod called hello on node-1.",
        rows=_hello,
        places=("hello",),
        hints=(
            "A cell further up made pod-a and pod-b with `pods`. One pod is made with `pod`.",
            "The node is in the variable `node`.",
            '`node.pod("hello")`',
        ),
        solution="""
            node.pod("hello")
        """,
        broken="""
            lab.namespace("hello")
        """,
    ),
)
