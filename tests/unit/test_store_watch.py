"""Watches: every change once and in order, whoever reads slowly; and selectors, which decide who sees it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.store import NODES, PODS, BadRequest, Conflict, Gone, MemoryStore, Object, Watch, copied

NAMES = st.sampled_from(["a", "b", "c"])
TIERS = st.sampled_from(["front", "back"])
ACTIONS = st.one_of(
    st.tuples(st.just("write"), NAMES, TIERS), st.tuples(st.just("delete"), NAMES, TIERS), st.just(("poll", "", ""))
)


def pod(name: str, tier: str = "front") -> Object:
    return {"metadata": {"name": name, "namespace": "default", "labels": {"tier": tier}}}


def act(store: MemoryStore, action: str, name: str, tier: str) -> None:
    there = {one["metadata"]["name"] for one in store.list(PODS)}
    if action == "write":
        (store.update if name in there else store.create)(PODS, pod(name, tier))
    elif name in there:
        store.delete(PODS, name, "default")


def told(watch: Watch) -> list[tuple[str, str]]:
    return [(one.type, one.object["metadata"]["name"]) for one in watch.poll()]


def replay(state: dict[str, Object], watch: Watch) -> list[int]:
    """Follow a watch, and check that each event makes sense where it comes.  Returns the versions told."""
    versions = []
    for event in watch.poll():
        name = event.object["metadata"]["name"]
        assert (name in state) is (event.type != "ADDED")
        if event.type == "DELETED":
            del state[name]
        else:
            state[name] = event.object
        versions.append(int(event.object["metadata"]["resourceVersion"]))
    return versions


@given(
    before=st.lists(ACTIONS, max_size=8),
    after=st.lists(ACTIONS, max_size=25),
    labels=st.sampled_from(["", "tier=back"]),
)
def test_whoever_follows_a_watch_knows_what_is_there(before: list[Any], after: list[Any], labels: str) -> None:
    store = MemoryStore()
    for one in before:
        act(store, *one)
    watch = store.watch(PODS, labels=labels)
    state: dict[str, Object] = {}
    replay(state, watch)
    versions: list[int] = []
    for one in after:
        act(store, *one)
        if one[0] == "poll":
            versions += replay(state, watch)
    versions += replay(state, watch)
    assert {name: state[name] for name in sorted(state)} == {
        one["metadata"]["name"]: one for one in store.list(PODS, labels=labels)
    }
    assert versions == sorted(set(versions))


@given(actions=st.lists(ACTIONS, max_size=25), at=st.integers(0, 25))
def test_a_watch_from_a_version_tells_what_came_after_it(actions: list[Any], at: int) -> None:
    store = MemoryStore()
    everything = store.watch(PODS)
    store.create(NODES, {"metadata": {"name": "node-1"}})
    for one in actions[:at]:
        act(store, *one)
    everything.poll()
    since = store.resource_version
    for one in actions[at:]:
        act(store, *one)
    assert store.watch(PODS, since=since).poll() == everything.poll()


def test_an_object_that_comes_into_sight_is_added_and_one_that_leaves_is_deleted() -> None:
    store = MemoryStore()
    watch = store.watch(PODS, labels="tier=back")
    store.create(PODS, pod("a"))
    assert told(watch) == []
    store.update(PODS, pod("a", "back"))
    assert told(watch) == [("ADDED", "a")]
    store.update(PODS, pod("a", "front"))
    assert told(watch) == [("DELETED", "a")]
    store.delete(PODS, "a", "default")
    assert told(watch) == []


def test_a_kubelet_sees_the_pods_of_its_node() -> None:
    store = MemoryStore()
    watch = store.watch(PODS, fields="spec.nodeName=node-1")
    store.create(PODS, {**pod("a"), "spec": {"nodeName": "node-2"}})
    made = store.create(PODS, {**pod("b"), "spec": {}})
    store.update(PODS, {**made, "spec": {"nodeName": "node-1"}})
    assert told(watch) == [("ADDED", "b")]


def test_a_watch_begins_with_what_is_there_and_a_bookmark() -> None:
    store = MemoryStore()
    store.create(PODS, pod("b"))
    store.create(PODS, pod("a"))
    events = store.watch(PODS, bookmarks=True).poll()
    assert [one.type for one in events] == ["ADDED", "ADDED", "BOOKMARK"]
    assert [one.object["metadata"]["name"] for one in events[:2]] == ["a", "b"]
    assert events[2].object["metadata"]["resourceVersion"] == store.resource_version


def test_a_deleted_object_is_told_with_its_last_state_and_a_version_of_its_own() -> None:
    store = MemoryStore()
    made = store.create(PODS, pod("a"))
    watch = store.watch(PODS, since=store.resource_version)
    store.delete(PODS, "a", "default")
    (event,) = watch.poll()
    assert event.type == "DELETED"
    assert int(event.object["metadata"].pop("resourceVersion")) > int(made["metadata"].pop("resourceVersion"))
    assert event.object == made


def test_who_is_too_far_behind_is_told_to_list_again() -> None:
    store = MemoryStore(remembered=5)
    slow = store.watch(PODS)
    for number in range(20):
        store.create(PODS, pod(f"p{number}"))
    with pytest.raises(Gone, match="too old resource version") as error:
        slow.poll()
    assert error.value.status()["code"] == 410
    with pytest.raises(Gone):
        store.watch(PODS, since="1")
    store.watch(PODS, since=store.resource_version)


def test_a_version_of_another_cluster_is_gone_too() -> None:
    with pytest.raises(Gone, match="too large"):
        MemoryStore().watch(PODS, since="99")


def test_other_kinds_do_not_disturb() -> None:
    store = MemoryStore(remembered=2)
    watch = store.watch(PODS)
    for number in range(20):
        store.create(NODES, {"metadata": {"name": f"n{number}"}})
    assert watch.poll() == []
    assert watch.resource_version == store.resource_version


def test_what_a_watch_tells_is_the_readers_own() -> None:
    store = MemoryStore()
    one, other = store.watch(PODS), store.watch(PODS)
    store.create(PODS, pod("a"))
    event = one.poll()[0]
    kept = copied(event.object)
    event.object["metadata"]["labels"]["tier"] = "scribble"
    assert other.poll()[0].object == kept == store.get(PODS, "a", "default")


def test_a_waiting_reader_is_woken_by_a_write_and_by_close() -> None:
    store = MemoryStore()
    seen: list[str] = []
    with store.watch(PODS) as watch:
        reader = threading.Thread(target=lambda: seen.extend(event.object["metadata"]["name"] for event in watch))
        reader.start()
        for name in ("a", "b"):
            store.create(PODS, pod(name))
        with store.watch(PODS) as another:
            assert another.next(0) is not None
            assert another.next(0) is not None
            assert another.next(0) is None
        while len(seen) < 2:
            reader.join(0.01)
            assert reader.is_alive()
    reader.join(10)
    assert not reader.is_alive()
    assert seen == ["a", "b"]


def test_many_writers_lose_nothing_when_they_repeat_on_conflict() -> None:
    store = MemoryStore()
    store.create(NODES, {"metadata": {"name": "n", "annotations": {"count": "0"}}})
    watch = store.watch(NODES, since=store.resource_version)

    def add_hundred() -> None:
        done = 0
        while done < 100:
            node = store.get(NODES, "n")
            node["metadata"]["annotations"]["count"] = str(int(node["metadata"]["annotations"]["count"]) + 1)
            try:
                store.update(NODES, node)
            except Conflict:
                continue
            done += 1

    threads = [threading.Thread(target=add_hundred) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [int(event.object["metadata"]["annotations"]["count"]) for event in watch.poll()]
    assert counts == list(range(1, 401))


def test_a_listener_is_called_after_each_write_until_it_ends() -> None:
    store = MemoryStore()
    calls: list[str] = []
    end = store.on_change(lambda: calls.append(store.resource_version))
    store.create(PODS, pod("a"))
    end()
    store.create(PODS, pod("b"))
    assert calls == ["1"]


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("", "abc"),
        ("tier=front", "a"),
        ("tier == back", "b"),
        ("tier!=front", "bc"),
        ("tier in (front, back)", "ab"),
        ("tier notin (front)", "bc"),
        ("tier", "ab"),
        ("!tier", "c"),
        ("tier in (front,back),n>1", "b"),
        ("n<2,tier", "a"),
    ],
)
def test_label_selectors_choose_as_kubernetes_does(selector: str, chosen: str) -> None:
    store = MemoryStore()
    for name, labels in (("a", {"tier": "front", "n": "1"}), ("b", {"tier": "back", "n": "2"}), ("c", {"n": "x"})):
        store.create(PODS, {"metadata": {"name": name, "namespace": "default", "labels": labels}})
    assert "".join(one["metadata"]["name"] for one in store.list(PODS, labels=selector)) == chosen


@pytest.mark.parametrize("selector", ["=a", "a in b", "a in (b", "(a)", "a=b c", "a,,b)", "in ()", "a=$x"])
def test_a_label_selector_that_is_none_is_refused(selector: str) -> None:
    with pytest.raises(BadRequest, match="unable to parse requirement"):
        MemoryStore().list(PODS, labels=selector)


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [("metadata.name=a", "a"), ("spec.nodeName!=n1", "bc"), ("spec.hostNetwork=true", "c"), ("spec.nodeName=", "c")],
)
def test_field_selectors_choose_as_kubernetes_does(selector: str, chosen: str) -> None:
    store = MemoryStore()
    for name, spec in (("a", {"nodeName": "n1"}), ("b", {"nodeName": "n2"}), ("c", {"hostNetwork": True})):
        store.create(PODS, {**pod(name), "spec": spec})
    assert "".join(one["metadata"]["name"] for one in store.list(PODS, fields=selector)) == chosen


def test_a_field_that_cannot_be_selected_by_is_named() -> None:
    with pytest.raises(BadRequest, match=r"field label not supported: spec\.image"):
        MemoryStore().list(PODS, fields="spec.image=nginx")
    with pytest.raises(BadRequest, match="can't understand"):
        MemoryStore().list(PODS, fields="spec.nodeName")
