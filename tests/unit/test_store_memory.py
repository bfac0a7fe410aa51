"""The store: versions, optimistic concurrency, deletion with grace and finalizers, names that never vary."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labhelpers.errors import AlreadyExists, BadInput, NotFound
from labhelpers.store import (
    CONFIGMAPS,
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    BadRequest,
    Conflict,
    Invalid,
    MemoryStore,
    Object,
    ObjectExists,
    ObjectNotFound,
    Refused,
)

NOON = 1_700_000_000.0


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(clock=lambda: NOON)


def pod(name: str = "web", **spec: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "default"}, "spec": spec}


def test_what_is_created_gets_uid_version_time_and_kind(store: MemoryStore) -> None:
    made = store.create(PODS, pod())
    assert (made["apiVersion"], made["kind"]) == ("v1", "Pod")
    assert made["metadata"]["creationTimestamp"] == "2023-11-14T22:13:20Z"
    assert made["metadata"]["resourceVersion"] == "1" == store.resource_version
    assert len(made["metadata"]["uid"]) == 36
    assert store.get(PODS, "web", "default") == made


def test_what_is_handed_in_or_out_is_nobody_elses(store: MemoryStore) -> None:
    given = pod(containers=[{"name": "c"}])
    made = store.create(PODS, given)
    given["spec"]["containers"].append("x")
    made["spec"]["containers"].append("y")
    store.get(PODS, "web", "default")["spec"]["containers"].append("z")
    store.list(PODS).items[0]["spec"]["containers"].append("z")
    assert store.get(PODS, "web", "default")["spec"]["containers"] == [{"name": "c"}]


def test_a_name_is_taken_in_its_namespace_only(store: MemoryStore) -> None:
    store.create(PODS, pod())
    with pytest.raises(ObjectExists, match='pods "web" already exists') as error:
        store.create(PODS, pod())
    assert isinstance(error.value, AlreadyExists)
    store.create(PODS, {"metadata": {"name": "web", "namespace": "other"}})
    assert [one["metadata"]["namespace"] for one in store.list(PODS)] == ["default", "other"]


def test_what_is_not_there_is_said_as_the_api_says_it(store: MemoryStore) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.get(DEPLOYMENTS, "web", "default"),
        lambda: store.update(DEPLOYMENTS, pod()),
        lambda: store.patch(DEPLOYMENTS, "web", {}, "default"),
        lambda: store.delete(DEPLOYMENTS, "web", "default"),
    ]
    for call in calls:
        with pytest.raises(ObjectNotFound, match=r'deployments\.apps "web" not found') as error:
            call()
        assert isinstance(error.value, NotFound)
        status = error.value.status()
        assert (status["code"], status["reason"], status["status"]) == (404, "NotFound", "Failure")
        assert status["details"] == {"name": "web", "group": "apps", "kind": "deployments"}


@pytest.mark.parametrize("name", ["", "Web", "a/b", "../x", "-a", "a-", "a b", "a\n", "ä", "a" * 254])
def test_a_name_that_is_none_is_refused(store: MemoryStore, name: str) -> None:
    with pytest.raises(Invalid, match=r"metadata\.name"):
        store.create(PODS, pod(name))
    assert store.resource_version == "0"


def test_an_object_without_its_namespace_is_refused(store: MemoryStore) -> None:
    with pytest.raises(BadRequest, match="no namespace"):
        store.create(PODS, {"metadata": {"name": "web"}})


def test_a_kind_without_namespaces_is_in_none(store: MemoryStore) -> None:
    store.create(NODES, {"metadata": {"name": "node-1", "namespace": "default"}})
    assert "namespace" not in store.get(NODES, "node-1")["metadata"]


def test_a_stale_write_is_a_conflict_and_changes_nothing(store: MemoryStore) -> None:
    first = store.create(PODS, pod(nodeName=""))
    second = store.update(PODS, {**first, "spec": {"nodeName": "node-1"}})
    assert int(second["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    with pytest.raises(Conflict, match="the object has been modified"):
        store.update(PODS, {**first, "spec": {"nodeName": "node-2"}})
    assert store.get(PODS, "web", "default")["spec"] == {"nodeName": "node-1"}


def test_a_write_for_another_object_of_the_same_name_is_a_conflict(store: MemoryStore) -> None:
    old = store.create(PODS, pod())
    store.delete(PODS, "web", "default")
    new = store.create(PODS, pod())
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    del old["metadata"]["resourceVersion"]
    with pytest.raises(Conflict, match="UID"):
        store.update(PODS, {**old, "status": {"phase": "Failed"}}, subresource="status")
    with pytest.raises(Conflict, match="UID"):
        store.delete(PODS, "web", "default", uid=old["metadata"]["uid"])


def test_a_write_that_changes_nothing_is_none(store: MemoryStore) -> None:
    made = store.create(PODS, pod())
    assert store.update(PODS, made) == made
    assert store.patch(PODS, "web", {"spec": {}}, "default") == made
    assert store.resource_version == "1"


def test_status_and_the_rest_are_written_apart(store: MemoryStore) -> None:
    made = store.create(PODS, pod(nodeName="node-1"))
    made["status"], made["spec"] = {"phase": "Running"}, {"nodeName": "elsewhere"}
    written = store.update(PODS, made, subresource="status")
    assert (written["spec"], written["status"]) == ({"nodeName": "node-1"}, {"phase": "Running"})
    written["status"], written["metadata"]["labels"] = {}, {"app": "web"}
    written = store.update(PODS, written)
    assert (written["metadata"]["labels"], written["status"]) == ({"app": "web"}, {"phase": "Running"})
    patched = store.patch(
        PODS, "web", {"spec": {"x": 1}, "status": {"phase": "Failed"}}, "default", subresource="status"
    )
    assert (patched["spec"], patched["status"]) == ({"nodeName": "node-1"}, {"phase": "Failed"})


def test_generation_counts_changes_of_the_spec(store: MemoryStore) -> None:
    made = store.create(DEPLOYMENTS, pod(replicas=1))
    assert made["metadata"]["generation"] == 1
    made["metadata"]["labels"] = {"a": "b"}
    made = store.update(DEPLOYMENTS, made)
    made = store.update(DEPLOYMENTS, {**made, "status": {"replicas": 1}}, subresource="status")
    assert made["metadata"]["generation"] == 1
    made["spec"]["replicas"] = 2
    assert store.update(DEPLOYMENTS, made)["metadata"]["generation"] == 2
    assert "generation" not in store.create(PODS, pod())["metadata"]


def test_a_writer_cannot_change_what_is_the_stores(store: MemoryStore) -> None:
    made = store.create(PODS, pod())
    forged = {
        **made,
        "metadata": {**made["metadata"], "creationTimestamp": "x", "deletionTimestamp": "y", "labels": {}},
    }
    written = store.update(PODS, forged)
    assert written["metadata"]["creationTimestamp"] == made["metadata"]["creationTimestamp"]
    assert "deletionTimestamp" not in written["metadata"]


def test_generated_names_are_the_same_in_every_run() -> None:
    def names(store: MemoryStore) -> list[str]:
        store.create(CONFIGMAPS, {"metadata": {"generateName": "other-", "namespace": "default"}})
        made = [store.create(PODS, {"metadata": {"generateName": "web-", "namespace": "default"}}) for _ in range(3)]
        return [one["metadata"]["name"] for one in made] + [one["metadata"]["uid"] for one in made]

    first, second = names(MemoryStore()), names(MemoryStore())
    assert first == second
    assert len(set(first)) == 6
    assert all(len(name) == len("web-") + 5 and name.startswith("web-") for name in first[:3])


def test_a_generated_name_passes_by_one_that_is_taken(store: MemoryStore) -> None:
    wanted = {"metadata": {"generateName": "web-", "namespace": "default"}}
    taken = MemoryStore().create(PODS, wanted)["metadata"]["name"]
    store.create(PODS, pod(taken))
    assert store.create(PODS, wanted)["metadata"]["name"] != taken


def test_a_pod_on_a_node_waits_for_its_kubelet(store: MemoryStore) -> None:
    store.create(PODS, pod(nodeName="node-1", terminationGracePeriodSeconds=7))
    marked = store.delete(PODS, "web", "default")
    assert marked["metadata"]["deletionTimestamp"] == "2023-11-14T22:13:27Z"
    assert marked["metadata"]["deletionGracePeriodSeconds"] == 7
    again = store.delete(PODS, "web", "default")
    assert again == marked == store.get(PODS, "web", "default")
    shorter = store.delete(PODS, "web", "default", grace=1)
    assert shorter["metadata"]["deletionGracePeriodSeconds"] == 1
    longer = store.delete(PODS, "web", "default", grace=60)
    assert longer == shorter
    store.delete(PODS, "web", "default", grace=0, uid=marked["metadata"]["uid"])
    assert len(store.list(PODS)) == 0


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_is_gone_at_once(store: MemoryStore, phase: str) -> None:
    made = store.create(PODS, pod(nodeName="node-1"))
    store.update(PODS, {**made, "status": {"phase": phase}}, subresource="status")
    store.delete(PODS, "web", "default")
    assert len(store.list(PODS)) == 0


def test_a_pod_on_no_node_is_gone_at_once(store: MemoryStore) -> None:
    store.create(PODS, pod())
    store.delete(PODS, "web", "default")
    assert len(store.list(PODS)) == 0


def test_what_has_finalizers_goes_with_the_last_of_them(store: MemoryStore) -> None:
    store.create(CONFIGMAPS, {"metadata": {"name": "c", "namespace": "default", "finalizers": ["me", "you"]}})
    marked = store.delete(CONFIGMAPS, "c", "default")
    assert "deletionTimestamp" in marked["metadata"]
    marked["metadata"]["finalizers"] = ["you"]
    marked = store.update(CONFIGMAPS, marked)
    assert store.get(CONFIGMAPS, "c", "default") == marked
    marked["metadata"]["finalizers"] = []
    store.update(CONFIGMAPS, marked)
    assert len(store.list(CONFIGMAPS)) == 0


@pytest.mark.parametrize(("how", "finalizer"), [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")])
def test_other_ways_to_delete_leave_a_finalizer_to_the_collector(store: MemoryStore, how: str, finalizer: str) -> None:
    store.create(DEPLOYMENTS, pod())
    assert store.delete(DEPLOYMENTS, "web", "default", propagation=how)["metadata"]["finalizers"] == [finalizer]
    assert len(store.list(DEPLOYMENTS)) == 1


def test_a_namespace_waits_until_it_is_emptied(store: MemoryStore) -> None:
    store.create(NAMESPACES, {"metadata": {"name": "team"}, "spec": {"finalizers": ["kubernetes"]}})
    marked = store.delete(NAMESPACES, "team")
    assert marked["status"] == {"phase": "Terminating"}
    store.update(NAMESPACES, {**marked, "spec": {"finalizers": []}})
    assert len(store.list(NAMESPACES)) == 0


def test_what_is_saved_is_loaded_as_it_was(store: MemoryStore) -> None:
    store.create(PODS, pod(nodeName="node-1"))
    store.create(CONFIGMAPS, {"metadata": {"generateName": "c-", "namespace": "default"}})
    other = MemoryStore(clock=lambda: NOON)
    other.load(store.dump())
    assert other.dump() == store.dump()
    assert store.create(PODS, {"metadata": {"generateName": "c-", "namespace": "x"}}) == other.create(
        PODS, {"metadata": {"generateName": "c-", "namespace": "x"}}
    )


@pytest.mark.parametrize("saved", [{}, {"objects": {}}, {"objects": {"ufos": []}, "resourceVersion": 1, "names": {}}])
def test_what_was_not_saved_is_not_loaded(saved: dict[str, Any]) -> None:
    store = MemoryStore()
    with pytest.raises(BadInput, match="no saved store"):
        store.load(saved)
    assert store.resource_version == "0"


def test_nothing_is_loaded_over_something(store: MemoryStore) -> None:
    store.create(PODS, pod())
    with pytest.raises(BadInput, match="already"):
        store.load(MemoryStore().dump())


def test_an_unknown_subresource_is_refused_in_words(store: MemoryStore) -> None:
    made = store.create(PODS, pod())
    with pytest.raises(Refused, match="no subresource 'stat'"):
        store.update(PODS, made, subresource="stat")
