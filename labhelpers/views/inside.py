"""What clicks show, packed into a stored picture: the site unpacks it, so that its pictures answer as live ones do.

Packed, it is about a tenth of the picture.  What changes from second to second is left out: how fresh a neighbour is,
and neighbours that were asked for and have not answered.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from typing import Any

from labhelpers.linux.records import Rows
from labhelpers.topology.model import NamespaceState, Snapshot
from labhelpers.views.inspect import details
from labhelpers.views.plan import plan

__all__ = ["packed", "unpacked"]

#: states of a neighbour whose address is known, for as long as nobody takes it away
_STAY = frozenset({"permanent", "noarp"})


def packed(snapshot: Snapshot) -> str:
    """Heading and tables of every box, as text without quotation marks."""
    lasting = replace(snapshot, namespaces=tuple(map(_lasting, snapshot.namespaces)))
    found = details(plan(lasting))
    text = json.dumps(found, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def unpacked(text: str) -> dict[str, Any]:
    """What ``packed`` packed: heading and tables by the id of the box."""
    found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(text)))
    return found


def _lasting(state: NamespaceState) -> NamespaceState:
    """With the neighbours whose MAC address is known; those that were learned are only called so."""
    known = (one for one in state.neighbours if one.mac and one.state not in ("failed", "incomplete"))
    kept = [one if one.state in _STAY else replace(one, state="learned") for one in known]
    kept.sort(key=lambda one: (one.device, one.address))
    return replace(state, neighbours=Rows(kept, state.neighbours.title))
