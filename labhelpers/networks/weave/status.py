"""What a router says of itself when it is asked."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from labhelpers.networks.weave.router import Router

__all__ = ["status"]


def status(router: Router, word: str) -> str:
    """Do what a word asks for; the answer is JSON, of what is so then."""
    try:
        if word == "reload":
            router.reload()
        elif word == "end":
            router.end()
        elif word != "status":
            raise ValueError(f"it does not know {word!r}")
    except (OSError, ValueError) as error:
        return json.dumps({"error": str(error)})
    return json.dumps(_status(router))


def _status(router: Router) -> dict[str, Any]:
    topology, switch = router.topology, router.switch
    known = {one.name: one.nickname for one in topology.everything()}

    def called(name: bytes | None) -> str:
        return known.get(name, name.hex(":")) if name else ""

    return {
        "name": topology.me.name.hex(":"),
        "nickname": topology.me.nickname,
        "encrypted": bool(router.settings.password),
        "connections": _connections(router),
        "peers": [
            {
                "nickname": one.nickname,
                "name": one.name.hex(":"),
                "version": one.version,
                "by": called(switch.next_hop(one.name)),
                "connected": [called(other) for other in topology.graph[one.name]],
            }
            for one in topology.everything()
        ],
        "macs": {
            mac.hex(":"): called(one.name)
            for one in topology.everything()
            for mac in sorted(switch.macs.behind(one.name))
        },
        "frames": dict(sorted(switch.counted.items())),
        "refused": dict(sorted(switch.refused.items())),
    }


def _connections(router: Router) -> list[dict[str, Any]]:
    """Also those that are not there, and why not."""
    now = time.monotonic()
    there = {one.address: one for one in router.connections.values()}
    rows = []
    for address in sorted({*router.settings.neighbours, *there}, key=socket.inet_aton):
        one = there.get(address)
        rows.append(
            {
                "address": address,
                "nickname": one.nickname if one else "",
                "state": "established" if one and one.works(now) else "pending" if one else "none",
                "way": "fastdp" if one and one.is_fast(now) else "sleeve",
                "trouble": "" if one else router.trouble.get(address, ""),
            }
        )
    return rows
