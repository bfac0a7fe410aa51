"""A manager whose store is an API server that comes, goes and forgets: its controllers see everything all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterable

import pytest

from labhelpers.cluster.api.serving import Serving, listen
from labhelpers.cluster.client import ApiStore
from labhelpers.cluster.controllers import Manager
from labhelpers.cluster.controllers.loop import Key
from labhelpers.store import CONFIGMAPS, Event, MemoryStore, Resource, key_of

PATIENCE = 60.0


class Witness:
    """A controller that notes what it was called for."""

    watches = (CONFIGMAPS,)

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self._changed = threading.Condition()

    def keys(self, resource: Resource, event: Event) -> Iterable[Key]:
        return [] if event.type == "BOOKMARK" else [key_of(event.object)]

    def sync(self, key: Key) -> float | None:
        with self._changed:
            self.seen.add(key[1])
            self._changed.notify()
        return None

    def comes_to(self, *names: str) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.seen >= set(names), PATIENCE)


def put(store: MemoryStore, name: str) -> None:
    store.create(CONFIGMAPS, {"metadata": {"name": name, "namespace": "default"}})


def test_what_happened_while_the_server_was_away_is_seen_when_it_is_back() -> None:
    memory, witness = MemoryStore(), Witness()
    server = Serving(memory, {}, listen(0))
    port = int(server.url.rpartition(":")[2])
    put(memory, "before")
    server.close()
    manager = Manager(ApiStore(server.url), [witness])  # which begins without a server
    try:
        for name in ("first", "second"):
            server = Serving(memory, {}, listen(port))
            assert server.url.endswith(f":{port}")
            assert witness.comes_to("before")
            server.close()
            put(memory, name)
        server = Serving(memory, {}, listen(port))
        assert witness.comes_to("before", "first", "second")
    finally:
        manager.close()
        server.close()


def test_who_is_too_far_behind_looks_at_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, witness = MemoryStore(remembered=1), Witness()
    let = threading.Event()
    keys = Witness.keys

    def slow(self: Witness, resource: Resource, event: Event) -> Iterable[Key]:
        assert let.wait(PATIENCE)
        return keys(self, resource, event)

    monkeypatch.setattr(Witness, "keys", slow)
    manager = Manager(memory, [witness])
    try:
        for number in range(20):
            put(memory, f"c{number}")
        let.set()
        assert witness.comes_to(*(f"c{number}" for number in range(20)))
    finally:
        let.set()
        manager.close()
