"""``Announcement``: what a peer says of itself, and others pass on.

As JSON, so that it can be read.  What comes from others is checked here, as it may be anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from labhelpers.networks.weave.refused import Refused
from labhelpers.networks.weave.sleeve import NAME

__all__ = ["LARGEST", "MOST_LINKS", "Announcement", "read_name"]

#: of a version or a peer's number; nobody gets there by counting
LARGEST = 1 << 48
#: connections of one peer
MOST_LINKS = 256
_NICKNAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Announcement:
    """One peer: whom it is connected with, at which version of its own story."""

    name: bytes
    nickname: str
    #: differs each time the peer's program is started
    uid: int
    #: grows with every change; of two announcements of a peer, the one with the higher version counts
    version: int
    #: the names of the peers it is connected with, and whether datagrams get there and back
    links: Mapping[bytes, bool] = field(default_factory=dict)

    @property
    def age(self) -> tuple[int, int]:
        """What two announcements of one peer are compared by."""
        return self.version, self.uid

    def written(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "name": self.name.hex(),
            "nickname": self.nickname,
            "uid": self.uid,
            "version": self.version,
            "links": {name.hex(): established for name, established in sorted(self.links.items())},
        }

    @classmethod
    def read(cls, data: Any) -> Announcement:
        """Read what came from another peer.

        Raises:
            Refused: it is no announcement.
        """
        if not isinstance(data, dict):
            raise Refused("an announcement that is none")
        nickname, links = data.get("nickname"), data.get("links")
        if not isinstance(nickname, str) or not _NICKNAME.match(nickname):
            raise Refused("an announcement without a nickname")
        if not isinstance(links, dict) or len(links) > MOST_LINKS:
            raise Refused("an announcement without connections, or with too many")
        if not all(isinstance(one, bool) for one in links.values()):
            raise Refused("an announcement with connections that are none")
        name = read_name(data.get("name"))
        found = {read_name(key): established for key, established in links.items()}
        if name in found:
            raise Refused("an announcement of a peer that is connected with itself")
        return cls(name, nickname, _number(data.get("uid")), _number(data.get("version")), found)


def read_name(value: Any) -> bytes:
    """A peer's name, from 12 hexadecimal digits.

    Raises:
        Refused: it is none.
    """
    try:
        name = bytes.fromhex(value)
    except (TypeError, ValueError):
        name = b""
    if len(name) != NAME or not any(name):
        raise Refused("a peer's name that is none")
    return name


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
        raise Refused("a version or number that is none")
    return value
