"""A DaemonSet's history: which templates it remembers, under which numbers, and the way back to one."""

from __future__ import annotations

from typing import Any

import pytest

from labhelpers.cluster.api.request import Target
from labhelpers.cluster.api.verbs import patch, update
from labhelpers.store import CONTROLLERREVISIONS, DAEMONSETS, Invalid, Object
from tests.unit.settled import World


@pytest.fixture
def world() -> World:
    world = World()
    labels = {"app": "d"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "a"}]}}
    spec = {"selector": {"matchLabels": labels}, "template": template, "revisionHistoryLimit": 2}
    world.create(DAEMONSETS, {"metadata": {"name": "d"}, "spec": spec})
    world.settle()
    return world


def use(world: World, image: str, **more: Any) -> None:
    container = {"name": "c", "image": image, **more}
    world.change(DAEMONSETS, "d", {"spec": {"template": {"spec": {"containers": [container]}}}})
    world.settle()


def history(world: World) -> dict[int, str]:
    """The image of each revision by its number."""
    return {one["revision"]: image_of(one["data"]) for one in world.store.list(CONTROLLERREVISIONS)}


def image_of(obj: Object) -> str:
    return str(obj["spec"]["template"]["spec"]["containers"][0]["image"])


def test_each_template_is_a_revision_that_its_pods_name(world: World) -> None:
    use(world, "b")
    assert history(world) == {1: "a", 2: "b"}
    latest = next(one for one in world.store.list(CONTROLLERREVISIONS) if one["revision"] == 2)
    label = latest["metadata"]["labels"]["controller-revision-hash"]
    assert latest["metadata"]["name"] == f"d-{label}"
    assert {one["metadata"]["labels"]["controller-revision-hash"] for one in world.pods()} == {label}


def test_going_back_gives_the_old_template_a_new_number(world: World) -> None:
    use(world, "b", command=["sleep"])
    first = next(one for one in world.store.list(CONTROLLERREVISIONS) if one["revision"] == 1)
    target = Target(DAEMONSETS, "default", "d")
    media = "application/strategic-merge-patch+json"  # which is what kubectl sends of a revision
    patch(world.store, target, media, first["data"], validation="Strict", dry_run=False)
    world.settle()
    there = world.store.get(DAEMONSETS, "d", "default")
    assert image_of(there) == "a"
    assert "command" not in there["spec"]["template"]["spec"]["containers"][0], "the template is replaced, not merged"
    assert history(world) == {2: "b", 3: "a"}


def test_the_history_is_as_long_as_it_may_be(world: World) -> None:
    for image in ("b", "c", "d", "e"):
        use(world, image)
    assert history(world) == {3: "c", 4: "d", 5: "e"}


def test_a_revision_that_is_deleted_comes_back_while_it_is_used(world: World) -> None:
    use(world, "b")
    for one in world.store.list(CONTROLLERREVISIONS):
        world.store.delete(CONTROLLERREVISIONS, one["metadata"]["name"], "default")
    world.settle()
    assert list(history(world).values()) == ["b"]


def test_a_revision_goes_with_its_daemons(world: World) -> None:
    world.store.delete(DAEMONSETS, "d", "default")
    world.settle()
    assert history(world) == {}


def test_what_a_revision_keeps_is_for_ever(world: World) -> None:
    (one,) = world.store.list(CONTROLLERREVISIONS)
    changed = {**one, "data": {"spec": {}}}
    target = Target(CONTROLLERREVISIONS, "default", one["metadata"]["name"])
    with pytest.raises(Invalid, match=r"data: .*field is immutable"):
        update(world.store, target, changed, validation="Strict", dry_run=False)
