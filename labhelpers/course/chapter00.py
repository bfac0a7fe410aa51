"""The exercises of chapter 00: how exercises work, and what a learner brings."""

from __future__ import annotations

from collections.abc import Iterator

from labhelpers.course.exercise import Exercise, Todo
from labhelpers.course.predictions import predicted
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


#: what is asked, in the notebook's order: the key, the answer, and where to read if it is another
_ASKED: tuple[tuple[str, object, str], ...] = (
    ("port", 8080, 'see "Publishing and exposing ports" in Docker\'s documentation'),
    ("file", "no", 'see "Persisting container data" in Docker\'s documentation'),
    ("pods", 3, 'see "Deployments" in Kubernetes\' documentation'),
    ("column", "node", "run it on any cluster, or look at the output of `kubectl get pods -o wide` in chapter 05"),
    ("reached", "no", "127.0.0.1 is a machine's own address for itself; 0.0.0.0 would be all of its addresses"),
)


def _brought() -> Iterator[Todo]:
    mine = predicted("mine")
    for key, answer, where in _ASKED:
        said = mine.get(key)
        word = said.strip().lower() if isinstance(said, str) else said
        yield Todo(word == answer, key, f"not {said!r}; {where}" if said else "no answer yet")


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
    Exercise(
        id="0.2",
        title="what you bring",
        task="Answer five questions about Docker and kubectl.",
        rows=_brought,
        start="""
            mine = {"port": 0, "file": "", "pods": 0, "column": "", "reached": ""}
        """,
        gives=("mine",),
        hints=(
            "In `-p 8080:80` the machine's port comes first.",
            "A Deployment makes as many pods as it was told, again and again.",
        ),
        solution="""
            mine.update(port=8080, file="no", pods=3, column="NODE", reached="no")
        """,
        broken="""
            mine.update(port=80, file="yes", pods=3, column="IP", reached="yes")
        """,
    ),
)
