"""Carrier: whether an interface has a signal from its other end (``ip link`` says LOWER_UP and ``state UP``)."""

from __future__ import annotations

import time
from collections.abc import Collection

from labhelpers.linux import link
from labhelpers.linux.netlink import NetlinkSocket

__all__ = ["wait"]

_LONGEST, _PAUSE = 2.0, 0.0005  # seconds


def wait(socket: NetlinkSocket, names: Collection[str]) -> bool:
    """Change nothing: wait until these cable ends have a signal.  Packets sent before are lost.

    When both ends are up, the kernel usually needs less than a millisecond to notice, and a second if it is busy
    (``net/core/link_watch.c``).

    Returns:
        whether they all have one now; two seconds are waited at most.
    """
    end = time.monotonic() + _LONGEST
    while any(one.name in names and one.state != "up" for one in link.dump(socket)):
        if time.monotonic() > end:
            return False
        time.sleep(_PAUSE)
    return True
