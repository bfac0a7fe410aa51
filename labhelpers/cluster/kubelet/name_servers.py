"""``NameServers``: where the cluster's DNS is now, for the resolv.conf of a node's pods."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from labhelpers.store import PODS, Gone, Refused, Store

__all__ = ["NameServers"]

_AGAIN = 1.0  # seconds
_NAMESPACE, _LABELS = "kube-system", "k8s-app=kube-dns"


class NameServers:
    """A thread that watches the pods that are labelled as the cluster's DNS.

    Args:
        addresses: is kept: those of the pods that have one, in the order of the pods' names.
        changed: is called when they are others.
    """

    def __init__(self, store: Store, addresses: list[str], changed: Callable[[], None]) -> None:
        self._store, self._addresses, self._changed = store, addresses, changed
        self._stop = threading.Event()
        self._watch: Any = None
        self._thread = threading.Thread(target=self._run, name="name servers", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.is_set():
            found: dict[str, str] = {}
            try:
                with self._store.watch(PODS, _NAMESPACE, labels=_LABELS) as self._watch:
                    if self._stop.is_set():  # it was closed before the watch could be
                        return
                    for event in self._watch:
                        self._look(event.type, event.object, found)
            except Gone:  # too far behind: look at everything again
                continue
            except Refused:  # the API server does not answer
                self._stop.wait(_AGAIN)

    def _look(self, kind: str, pod: Mapping[str, Any], found: dict[str, str]) -> None:
        meta, address = pod["metadata"], (pod.get("status") or {}).get("podIP")
        if kind != "DELETED" and address and "deletionTimestamp" not in meta:
            found[meta["name"]] = address
        elif len(found) > 1 or kind == "DELETED":  # one that is about to go still answers: better than none
            found.pop(meta["name"], None)
        now = [found[name] for name in sorted(found)]
        if now != self._addresses:
            self._addresses[:] = now
            self._changed()

    def close(self) -> None:
        """Stop, and wait until it has."""
        self._stop.set()
        if self._watch is not None:
            self._watch.close()
        self._thread.join()
