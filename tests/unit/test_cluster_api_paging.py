"""Long lists in parts: together they are the list of one moment, whatever is written between two of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cluster.api.paging import page_of
from labhelpers.cluster.api.request import Target
from labhelpers.store import CONFIGMAPS, MemoryStore, Object
from tests.unit.apiserver import Client, api

PATH = "/api/v1/configmaps"
NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
SPACES = st.sampled_from(["default", "team"])
WRITES = st.lists(st.tuples(st.sampled_from(["put", "delete"]), SPACES, NAMES), max_size=6)


@pytest.fixture
def client() -> Iterator[Client]:
    with api() as one:
        for name in ("a", "b", "c", "d", "e"):
            put(one.store, "default", name)
        yield one


def put(store: MemoryStore, namespace: str, name: str) -> None:
    """Create it, or change it."""
    obj = {"metadata": {"name": name, "namespace": namespace}, "data": {"version": store.resource_version}}
    there = {(one["metadata"]["namespace"], one["metadata"]["name"]) for one in store.list(CONFIGMAPS)}
    (store.update if (namespace, name) in there else store.create)(CONFIGMAPS, obj)


def delete(store: MemoryStore, namespace: str, name: str) -> None:
    if any(one["metadata"]["name"] == name for one in store.list(CONFIGMAPS, namespace)):
        store.delete(CONFIGMAPS, name, namespace)


def names(answer: Any) -> list[str]:
    return [one["metadata"]["name"] for one in answer["items"]]


@given(before=WRITES, between=st.lists(WRITES, max_size=6), limit=st.integers(1, 4))
def test_the_parts_together_are_the_list_of_the_first_ones_moment(
    before: list[Any], between: list[list[Any]], limit: int
) -> None:
    store, writes = MemoryStore(), {"put": put, "delete": delete}
    for what, namespace, name in before:
        writes[what](store, namespace, name)
    whole = store.list(CONFIGMAPS)
    found: list[Object] = []
    token, rounds = "", iter(between)
    while True:
        page = page_of(store, Target(CONFIGMAPS), {"limit": str(limit), "continue": token})
        found += page.items
        assert page.version == whole.resource_version
        assert len(page.items) <= limit
        token = page.meta.get("continue", "")
        assert page.meta.get("remainingItemCount", 0) == len(whole.items) - len(found)
        if not token:
            break
        for what, namespace, name in next(rounds, ()):
            writes[what](store, namespace, name)
    assert found == whole.items


def test_a_client_follows_the_token_to_the_end(client: Client) -> None:
    first = client.get(f"{PATH}?limit=2")
    assert (names(first), first["metadata"]["remainingItemCount"]) == (["a", "b"], 3)
    second = client.get(f"{PATH}?limit=2&continue={first['metadata']['continue']}")
    last = client.get(f"{PATH}?limit=2&continue={second['metadata']['continue']}")
    assert (names(second), names(last)) == (["c", "d"], ["e"])
    assert last["metadata"] == {"resourceVersion": first["metadata"]["resourceVersion"]}


def test_tables_come_in_parts_too(client: Client) -> None:
    table = client.get(f"{PATH}?limit=3", Accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert [row["cells"][0] for row in table["rows"]] == ["a", "b", "c"]
    assert table["metadata"]["remainingItemCount"] == 2
    assert table["metadata"]["continue"]


def test_what_a_selector_leaves_out_is_in_no_part(client: Client) -> None:
    put(client.store, "default", "f")
    client.store.patch(CONFIGMAPS, "f", {"metadata": {"labels": {"app": "web"}}}, "default")
    client.store.patch(CONFIGMAPS, "b", {"metadata": {"labels": {"app": "web"}}}, "default")
    first = client.get(f"{PATH}?limit=1&labelSelector=app%3Dweb")
    assert names(first) == ["b"]
    assert "remainingItemCount" not in first["metadata"]
    assert names(client.get(f"{PATH}?labelSelector=app%3Dweb&continue={first['metadata']['continue']}")) == ["f"]


def test_a_list_that_is_too_old_says_so_and_how_to_go_on(client: Client) -> None:
    first = client.get(f"{PATH}?limit=2")
    for _ in range(2001):  # more than are remembered
        client.store.patch(CONFIGMAPS, "a", {"data": {"version": client.store.resource_version}}, "default")
    delete(client.store, "default", "d")
    code, status = client.ask("GET", f"{PATH}?limit=2&continue={first['metadata']['continue']}")
    assert (code, status["code"], status["reason"]) == (410, 410, "Expired")
    assert "too old to display a consistent list" in status["message"]
    rest = client.get(f"{PATH}?continue={status['metadata']['continue']}")
    assert names(rest) == ["c", "e"]
    assert rest["metadata"]["resourceVersion"] == client.store.resource_version


def token(**content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=many", "is no number"),
        ("continue=nonsense", "continue key is not valid"),
        ("continue=%c3%a4", "continue key is not valid"),
        (f"continue={token(v='meta.k8s.io/v1', rv='x', start='a')}", "continue key is not valid"),
        (f"continue={token(v='meta.k8s.io/v9', rv=1, start='a')}", "continue key is not valid"),
        (f"continue={token(v='meta.k8s.io/v1', rv=0, start='a')}", "continue key is not valid"),
        (f"continue={token(v='meta.k8s.io/v1', rv=1, start='a')}&resourceVersion=7", "not allowed when using continue"),
    ],
)
def test_a_part_that_cannot_be_is_refused(client: Client, query: str, words: str) -> None:
    code, status = client.ask("GET", f"{PATH}?{query}")
    assert (code, status["reason"]) == (400, "BadRequest")
    assert words in status["message"]


def test_a_moment_that_is_yet_to_come_is_another_clusters(client: Client) -> None:
    code, status = client.ask("GET", f"{PATH}?continue={token(v='meta.k8s.io/v1', rv=10**9, start='default/a')}")
    assert (code, status["reason"]) == (410, "Expired")
