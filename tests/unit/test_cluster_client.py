"""A store behind an API server is the same store: what is asked of both is answered alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from labhelpers.cluster.client import ApiStore, Unreachable
from labhelpers.store import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    BadRequest,
    Conflict,
    Event,
    Gone,
    Invalid,
    MemoryStore,
    ObjectExists,
    ObjectNotFound,
    Refused,
    Store,
)
from tests.unit.apiserver import Client, api, running_pod

CONFIG = {"metadata": {"name": "c", "namespace": "default", "labels": {"app": "x"}}, "data": {"a": "b"}}


@pytest.fixture
def client() -> Iterator[Client]:
    with api() as one:
        yield one


@pytest.fixture
def store(client: Client) -> Store:
    return ApiStore(client.serving.url)


def test_an_object_is_the_same_on_both_sides(client: Client, store: Store) -> None:
    made = store.create(CONFIGMAPS, CONFIG)
    assert made == store.get(CONFIGMAPS, "c", "default") == client.store.get(CONFIGMAPS, "c", "default")
    listed = store.list(CONFIGMAPS, labels="app=x", fields="metadata.name=c")
    assert (listed.items, listed.resource_version) == ([made], client.store.resource_version)
    assert len(store.list(CONFIGMAPS, "default", labels="app!=x")) == 0
    changed = store.patch(CONFIGMAPS, "c", {"data": {"a": None, "d": "e"}}, "default")
    assert changed["data"] == {"d": "e"}
    changed["data"] = {"f": "g"}
    assert store.update(CONFIGMAPS, changed)["data"] == {"f": "g"}
    store.delete(CONFIGMAPS, "c", "default", uid=made["metadata"]["uid"])
    assert len(client.store.list(CONFIGMAPS)) == 0


def test_what_has_no_namespace_and_what_has_a_group_is_found(client: Client, store: Store) -> None:
    store.create(NODES, {"metadata": {"name": "n"}})
    assert store.get(NODES, "n")["kind"] == "Node"
    assert store.list(DEPLOYMENTS).items == []
    assert [one["metadata"]["name"] for one in store.list(NAMESPACES)] == ["default"]


def test_a_kubelets_writes_of_a_status(client: Client, store: Store) -> None:
    running_pod(client.store)
    pod = store.get(PODS, "web", "default")
    pod["status"], pod["spec"]["nodeName"] = {"phase": "Succeeded"}, "elsewhere"
    written = store.update(PODS, pod, subresource="status")
    assert written["spec"]["nodeName"] == "here"
    assert (written["status"]["phase"], written["spec"]) == (
        "Succeeded",
        client.store.get(PODS, "web", "default")["spec"],
    )
    with pytest.raises(Conflict, match="the object has been modified"):
        store.update(PODS, {**pod, "status": {"phase": "Failed"}}, subresource="status")


def test_a_delete_marks_and_finishes(client: Client, store: Store) -> None:
    running_pod(client.store)
    marked = store.delete(PODS, "web", "default", grace=7)
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    with pytest.raises(Conflict):
        store.delete(PODS, "web", "default", grace=0, uid="another")
    store.delete(PODS, "web", "default", grace=0, uid=marked["metadata"]["uid"])
    assert len(client.store.list(PODS)) == 0


@pytest.mark.parametrize(
    ("ask", "kind"),
    [
        (lambda store: store.get(PODS, "no", "default"), ObjectNotFound),
        (lambda store: store.create(CONFIGMAPS, CONFIG), ObjectExists),
        (lambda store: store.create(CONFIGMAPS, {"metadata": {"name": "A", "namespace": "default"}}), Invalid),
        (lambda store: store.create(CONFIGMAPS, {"metadata": {"name": "a"}}), BadRequest),
        (lambda store: store.list(PODS, fields="x=y"), BadRequest),
        (lambda store: store.list(PODS, labels="(("), BadRequest),
        (lambda store: store.watch(PODS, since="999"), Gone),
        (lambda store: store.delete(PODS, "no", "default"), ObjectNotFound),
        (lambda store: store.get(PODS, "../../nodes", "default"), ObjectNotFound),
    ],
)  # fmt: skip
def test_both_refuse_the_same(client: Client, ask: Callable[[Store], Any], kind: type[Refused]) -> None:
    client.store.create(CONFIGMAPS, CONFIG)
    there, here = ApiStore(client.serving.url), MemoryStore()
    here.load(client.store.dump())
    for one in (there, here):
        with pytest.raises(kind) as error:
            ask(one)
        assert error.value.code == kind.code


def seen(events: list[Event]) -> list[tuple[str, str]]:
    return [(one.type, one.object["metadata"].get("name", "")) for one in events]


def test_a_watch_tells_what_is_there_and_what_happens(client: Client, store: Store) -> None:
    client.store.create(CONFIGMAPS, CONFIG)
    with store.watch(CONFIGMAPS, labels="app=x", bookmarks=True) as watch:
        first = [watch.next(10), watch.next(10)]
        client.store.create(CONFIGMAPS, {"metadata": {"name": "other", "namespace": "default"}})
        client.store.patch(CONFIGMAPS, "c", {"data": {"n": "1"}}, "default")
        client.store.delete(CONFIGMAPS, "c", "default")
        rest = [watch.next(10), watch.next(10)]
        assert watch.resource_version == client.store.resource_version
        assert watch.next(0.05) is None
    told = [one for one in (*first, *rest) if one is not None]
    assert seen(told) == [("ADDED", "c"), ("BOOKMARK", ""), ("MODIFIED", "c"), ("DELETED", "c")]


def test_a_watch_is_closed_from_another_thread_and_leaves_none(store: Store) -> None:
    watch = store.watch(PODS)
    waiting = threading.Thread(target=lambda: list(watch))
    waiting.start()
    watch.close()
    waiting.join(20)
    assert not waiting.is_alive()
    assert not [one for one in threading.enumerate() if one.name.startswith("watch /")]


def test_a_watch_goes_on_when_its_connection_was_lost(client: Client, store: Store) -> None:
    with store.watch(NODES, since=client.store.resource_version) as watch:
        client.store.create(NODES, {"metadata": {"name": "a"}})
        assert watch.next(10) is not None
        watch._answer.break_off()  # type: ignore[attr-defined]
        client.store.create(NODES, {"metadata": {"name": "b"}})
        event = watch.next(20)
        assert event is not None
        assert event.object["metadata"]["name"] == "b"


def test_who_is_too_far_behind_is_told_so() -> None:
    with api() as client:
        store = ApiStore(client.serving.url)
        for number in range(2500):
            client.store.create(NODES, {"metadata": {"name": f"n{number}"}})
        with pytest.raises(Gone):
            store.watch(NODES, since="1")


def test_a_server_that_is_not_there_is_unreachable(client: Client) -> None:
    store = ApiStore(client.serving.url)
    client.serving.close()
    with pytest.raises(Unreachable, match="does not answer"):
        store.list(PODS)


@pytest.mark.parametrize("url", ["", "127.0.0.1:6443", "ftp://x", "https://"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="no URL"):
        ApiStore(url)
