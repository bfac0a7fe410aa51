"""A long list in parts: ``limit`` says how many objects a part has, ``continue`` where the next one begins.

All parts are of one moment, that of the first: what was written meanwhile is not in the later ones.  The store
remembers a number of changes; when it has forgotten that moment, the answer is 410, with a token that goes on with what
is there now.
Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass

from labhelpers.cluster.api.refusals import ContinueExpired
from labhelpers.cluster.api.request import Target
from labhelpers.store import BadRequest, Gone, MemoryStore, Object, key_of

__all__ = ["Page", "page_of"]

_NOW = -1  # the version in a token that goes on with what is there now


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, and the metadata of the list."""

    items: list[Object]
    meta: Object

    @property
    def version(self) -> str:
        """The moment that it shows."""
        return str(self.meta["resourceVersion"])


def page_of(store: MemoryStore, target: Target, query: Mapping[str, str]) -> Page:
    """The part that a request asks for; without ``limit`` that is all there is.

    Raises:
        BadRequest: a limit or a token that is none.
        ContinueExpired: the moment of the first part is forgotten.
    """
    labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
    limit, version, after = _limit(query.get("limit", "")), _NOW, ("", "")
    if token := query.get("continue", ""):
        if query.get("resourceVersion", "") not in ("", "0"):
            raise BadRequest("specifying resource version is not allowed when using continue", "Leave it out.")
        version, after = _read(token)
    at = "" if version == _NOW else str(version)
    try:
        listing = store.list(target.resource, target.namespace, labels=labels, fields=fields, at=at)
    except Gone:
        raise ContinueExpired(_written(_NOW, after)) from None
    items = [one for one in listing.items if key_of(one) > after]
    meta: Object = {"resourceVersion": listing.resource_version}
    if limit and len(items) > limit:
        meta["continue"] = _written(int(listing.resource_version), key_of(items[limit - 1]))
        if not labels and not fields:  # with a selector a real server does not know
            meta["remainingItemCount"] = len(items) - limit
        del items[limit:]
    return Page(items, meta)


def _limit(asked: str) -> int:
    try:
        return max(int(asked or 0), 0)
    except ValueError:
        raise BadRequest(f"limit: {asked!r} is no number", "Write how many objects.") from None


def _written(version: int, after: tuple[str, str]) -> str:
    content = {"v": "meta.k8s.io/v1", "rv": version, "start": "/".join(after)}
    return urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def _read(token: str) -> tuple[int, tuple[str, str]]:
    try:
        content = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        namespace, _, name = str(content["start"]).rpartition("/")
        version = int(content["rv"])
        if version < _NOW or version == 0 or content["v"] != "meta.k8s.io/v1":
            raise ValueError("not written here")
    except (ValueError, LookupError, TypeError, RecursionError):
        raise BadRequest("continue key is not valid", "Begin the list anew, without it.") from None
    return version, (namespace, name)
