"""``MacTable``: behind which peer a MAC address lives, learned from frames, as a switch does it."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["LIFETIME", "MOST", "MacTable", "is_group"]

#: seconds without a frame until an address is forgotten
LIFETIME = 600.0
#: addresses; beyond it the one not seen for longest is forgotten, as anybody can invent addresses
MOST = 4096


def is_group(mac: bytes) -> bool:
    """Is it the address of many, such as broadcast?"""
    return bool(mac[0] & 1)


class MacTable:
    """Nothing else is told who lives where: that it learns, all by itself, is why peers need not exchange addresses."""

    def __init__(self, most: int = MOST) -> None:
        #: from the one not seen for longest to the last one seen
        self._known: OrderedDict[bytes, tuple[bytes, float]] = OrderedDict()
        self._most = most

    def learn(self, mac: bytes, peer: bytes, now: float) -> bool:
        """A frame from this address was captured by this peer.

        Args:
            now: seconds, of a clock that never goes back.

        Returns:
            is that news?  No, if it was known; no, if no interface can have this address.
        """
        if is_group(mac) or mac == bytes(6):
            return False
        known = self._known.pop(mac, None)
        self._known[mac] = (peer, now)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return known is None or known[0] != peer

    def peer_of(self, mac: bytes, now: float) -> bytes | None:
        """The peer behind which it lives, ``None`` if that is not known, or not any more."""
        known = self._known.get(mac)
        return known[0] if known and now - known[1] <= LIFETIME else None

    def behind(self, peer: bytes) -> list[bytes]:
        """All that live behind a peer."""
        return [mac for mac, (one, _) in self._known.items() if one == peer]

    def forget(self, now: float) -> list[bytes]:
        """Forget those that were not seen for long.  Returns them."""
        gone = []
        for mac, (_, seen) in self._known.items():
            if now - seen <= LIFETIME:
                break
            gone.append(mac)
        for mac in gone:
            del self._known[mac]
        return gone

    def forget_peer(self, peer: bytes) -> list[bytes]:
        """Forget all that live behind a peer.  Returns them."""
        gone = self.behind(peer)
        for mac in gone:
            del self._known[mac]
        return gone

    def __len__(self) -> int:
        return len(self._known)
