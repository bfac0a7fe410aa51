"""``Topology``: who is connected with whom, as the peers say.

Each peer has a story of its own, with a version.  A connection counts only if both its ends say that it is there and
works: so nobody draws packets to himself by claiming connections.

Source: Weave's ``site/how-it-works/network-topology.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from labhelpers.networks.weave import paths
from labhelpers.networks.weave.announcement import LARGEST, Announcement
from labhelpers.networks.weave.refused import Refused

__all__ = ["FARTHEST", "MOST_PEERS", "Topology"]

#: peers; a liar could invent any number
MOST_PEERS = 256
#: versions by which news of a known peer may be ahead: it changes a few times a second at most
FARTHEST = 1 << 20
_GRACE = 30.0  # seconds: news of a peer may arrive before the news that connects it


class Topology:
    """What one peer knows.

    Args:
        me: its own first announcement.
    """

    def __init__(self, me: Announcement) -> None:
        self.me = me
        self._known = {me.name: me}
        #: since when nobody says a way to these
        self._lost: dict[bytes, float] = {}
        self._graph: paths.Graph | None = None

    def everything(self) -> list[Announcement]:
        """All that is known, in the order of names."""
        return [self._known[name] for name in sorted(self._known)]

    def __getitem__(self, name: bytes) -> Announcement:
        return self._known[name]

    def __contains__(self, name: bytes) -> bool:
        return name in self._known

    def connected(self, links: Mapping[bytes, bool]) -> bool:
        """This peer's own connections are these now.  Returns whether that is a change to be told."""
        if dict(links) == dict(self.me.links):
            return False
        self._set(replace(self.me, version=self.me.version + 1, links=dict(links)))
        return True

    def merge(self, news: Iterable[Announcement]) -> list[Announcement]:
        """Learn what another peer says.

        Returns:
            what was new, and is to be passed on; with a correction, where somebody said something else of this peer.

        Raises:
            Refused: it cannot be true; nothing of it was learned.
        """
        news = list(news)
        self._check(news)
        new: dict[bytes, Announcement] = {}
        for one in news:
            if one.name == self.me.name:
                # an announcement from before this program was started, or a lie: either way ours must be newer
                if one.age > self.me.age or (one.age == self.me.age and one != self.me):
                    self._set(replace(self.me, version=one.version + 1))
                    new[self.me.name] = self.me
            elif one.name not in self._known or one.age > self._known[one.name].age:
                self._set(one)
                new[one.name] = one
        return list(new.values())

    def _check(self, news: list[Announcement]) -> None:
        for one in news:
            known = self._known.get(one.name)
            if one.version >= LARGEST or (known and one.version - known.version > FARTHEST):
                raise Refused("news of a version that nobody can have reached")
        if len(self._known.keys() | {one.name for one in news}) > MOST_PEERS:
            raise Refused("news of more peers than there can be")

    def _set(self, one: Announcement) -> None:
        self._known[one.name] = one
        self._graph = None
        if one.name == self.me.name:
            self.me = one

    @property
    def graph(self) -> paths.Graph:
        """Who is connected with whom: connections of which both ends say that they work."""
        if self._graph is None:
            self._graph = {
                name: tuple(
                    sorted(
                        other
                        for other, works in one.links.items()
                        if works and other in self._known and self._known[other].links.get(name, False)
                    )
                )
                for name, one in sorted(self._known.items())
            }
        return self._graph

    def forget_unreachable(self, now: float) -> list[bytes]:
        """Forget peers to which there has been no way for a while.  Returns their names.

        Args:
            now: seconds, of a clock that never goes back.
        """
        unreachable = self._known.keys() - paths.reachable(self.graph, self.me.name)
        self._lost = {name: self._lost.get(name, now) for name in unreachable}
        gone = sorted(name for name, since in self._lost.items() if now - since > _GRACE)
        for name in gone:
            del self._known[name], self._lost[name]
            self._graph = None
        return gone
