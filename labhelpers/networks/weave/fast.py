"""``FastWay``: let the kernel carry frames to direct neighbours, by VXLAN, once the router knows where they go.

The router stays in charge: it learns which MAC address is behind which neighbour, and writes it down in the kernel's
forwarding databases.  Frames of which it has written nothing still come to it.  Real Weave does the same with Open
vSwitch.  Whether VXLAN gets through is tried all the time; where it does not, frames go through user space again.
"""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from labhelpers.errors import LabError
from labhelpers.linux import fdb
from labhelpers.linux.changes import Changes
from labhelpers.linux.frames import FramePort
from labhelpers.linux.learned import Learned
from labhelpers.linux.netlink import NetlinkSocket
from labhelpers.networks.weave.connection import Connection
from labhelpers.networks.weave.settings import FAST

if TYPE_CHECKING:
    from labhelpers.networks.weave.router import Router

__all__ = ["FastWay"]

_PROBE = 0x88B5  # EtherType for experiments, IEEE 802
_TYPE = _PROBE.to_bytes(2, "big")
_AT_ONCE = 64
#: addresses behind one neighbour; what is for others goes through user space
_MOST = 512
_SOON = 0.02  # seconds
_SHORTEST = 60  # bytes of an Ethernet frame without its checksum


class FastWay:
    """The port ``vxlan-6784`` of the bridge, and what the router writes of it."""

    def __init__(self, router: Router) -> None:
        self._router = router
        self.port = FramePort(FAST, _PROBE)
        #: whose frames come out of the tunnel, which do not pass by us
        self.learned = Learned(FAST)
        self._kernel = NetlinkSocket()
        #: what stands in the kernel: MAC address and the node it is sent to; also of a router that was killed
        self._written = self._found()
        self._is_due = False
        #: neighbours whose tunnel end is written down, for probes
        self._ends: dict[bytes, str] = {}

    def _found(self) -> dict[bytes, str]:
        entries = fdb.dump(self._kernel, {socket.if_nametoindex(FAST): FAST})
        return {bytes.fromhex(one.mac.replace(":", "")): one.destination for one in entries if one.destination}

    def show_life(self, connection: Connection) -> None:
        """Send a probe by VXLAN: to the neighbour's own name, which is written down as being behind its node."""
        if self._ends.get(connection.peer) != connection.address:
            changes = Changes(self._kernel)
            with suppress(LabError):
                fdb.set_remote(changes, connection.peer.hex(":"), FAST, connection.address)
                changes.apply()
                self._ends[connection.peer] = connection.address
        me = self._router.topology.me.name
        self.port.send((connection.peer + me + _TYPE).ljust(_SHORTEST, b"\0"))

    def receive(self) -> None:
        """Note whose probes arrive."""
        for _ in range(_AT_ONCE):
            frame = self.port.receive()
            if frame is None:
                break
            connection = self._router.connections.get(frame[6:12])
            if connection is not None and frame[:6] == self._router.topology.me.name:
                connection.fast_heard_at = time.monotonic()

    def learn(self) -> None:
        """Learn whose frames come out of the tunnel: in the other direction they would still go to everybody."""
        peers = {one.address: one.peer for one in self._router.connections.values()}
        for mac, end in self.learned.receive():
            if end in peers:
                self._router.switch.learn(mac, peers[end])

    def renew_soon(self) -> None:
        """``renew`` in a moment: a flood of invented addresses must not cost a look at all of them for each."""
        if not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_later(_SOON, self.renew)

    def renew(self) -> None:
        """Write down exactly those that live behind neighbours to which VXLAN works."""
        self._is_due = False
        now, macs = time.monotonic(), self._router.switch.macs
        wanted = {
            mac: one.address
            for one in self._router.connections.values()
            if one.is_fast(now)
            for mac in macs.behind(one.peer)[-_MOST:]
        }
        if wanted != self._written:
            for mac in [mac for mac, node in self._written.items() if wanted.get(mac) != node]:
                self._erase(mac)
            for mac, node in wanted.items():
                if mac not in self._written:
                    self._write(mac, node)

    def _write(self, mac: bytes, node: str) -> None:
        """The bridge sends it to the tunnel, and the tunnel to the node."""
        changes = Changes(self._kernel)
        with suppress(LabError):  # the port was removed: the frames stay with us
            fdb.set_remote(changes, mac.hex(":"), FAST, node)
            fdb.pin(changes, mac.hex(":"), FAST)
            changes.apply()
            self._written[mac] = node

    def _erase(self, mac: bytes) -> None:
        node = self._written.pop(mac)
        changes = Changes(self._kernel)
        with suppress(LabError):
            fdb.delete(changes, mac.hex(":"), FAST)
            changes.apply()
        if mac not in self._ends:
            with suppress(LabError):
                fdb.delete_remote(changes, mac.hex(":"), FAST, node)
                changes.apply()
