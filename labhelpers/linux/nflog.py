"""What firewall rules with ``log group N`` tell of: the beginning of each packet, with the rule's own words before it.

The kernel collects packets and hands over many at once, numbered, so that what a reader was too slow for is counted and
not guessed.  Source: ``include/uapi/linux/netfilter/nfnetlink_log.h``.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
from dataclasses import dataclass

from labhelpers.errors import AlreadyExists, KernelFeatureMissing
from labhelpers.linux import constants as c
from labhelpers.linux.inside import require_sandbox
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import HEADER, attribute, attributes, split
from labhelpers.linux.nfnetlink import NETFILTER, be32

__all__ = ["Log", "Logged"]

_SUBSYSTEM = 4  # NFNL_SUBSYS_ULOG
_PACKET, _CONFIG = _SUBSYSTEM << 8, _SUBSYSTEM << 8 | 1  # NFULNL_MSG_…
_FAMILY = struct.Struct("!BBH")  # struct nfgenmsg: family, version, group
_CMD, _MODE, _BUFFER_SIZE, _TIMEOUT, _THRESHOLD, _FLAGS = range(1, 7)  # NFULA_CFG_…
_BIND, _COPY_PACKET, _NUMBERED = b"\1", 2, 1
_MARK, _TIMESTAMP, _IN, _OUT, _BY_PORT, _PAYLOAD, _PREFIX, _SEQUENCE = 2, 3, 4, 5, 7, 9, 10, 12  # NFULA_…
_TIME = struct.Struct("!QQ")  # seconds, microseconds
_BATCH = 1 << 16  # bytes that the kernel collects before it hands them over
_AT_MOST = 100  # packets that it collects
_TENTH = 1  # hundredths of a second that it waits for more
_RECEIVE = 1 << 18
_WANTED_BUFFER = 1 << 22  # the system gives as much of it as it allows
_PATIENCE = 5.0  # seconds; the kernel's answer is there when the call returns


@dataclass(frozen=True, slots=True)
class Logged:
    """A packet that a rule logged."""

    #: what the rule says: ``log prefix "…"``
    prefix: str
    #: seconds since 1970: when it arrived, or, where the kernel did not note that, when it was read
    time: float
    #: its beginning, from the network header on
    packet: bytes
    mark: int = 0
    #: the interfaces it came in by and is to go out by, as numbers of its namespace; 0 for none
    came_by: int = 0
    goes_by: int = 0
    #: a bridge passes it from port to port
    bridged: bool = False


class Log:
    """Listen to one group of a namespace's rules, from now on.

    Without a listener ``log group N`` does nothing.  One group has one listener.

    Args:
        namespace: ``namespace.home()`` for an agent that lives in the node's own.
        group: 0 to 65535.
        copy: bytes of each packet that are handed over.

    Raises:
        AlreadyExists: somebody else listens to this group.
        KernelFeatureMissing: this kernel cannot log packets so.
        NotInSandbox, Vanished.

    Shell: ``tcpdump -i nflog:GROUP``.
    """

    def __init__(self, namespace: NetworkNamespace, group: int, *, copy: int = 64) -> None:
        require_sandbox()
        self.namespace, self.group = namespace, group
        #: packets that were logged and never read, because more came than the socket could hold
        self.lost = 0
        self._expected: int | None = None
        self._socket = namespace.visit(lambda: _listen(group, copy))

    def fileno(self) -> int:
        """To wait for, with ``poll``."""
        return self._socket.fileno()

    def read(self, timeout: float = 0.0) -> list[Logged]:
        """What has been logged since the last call; waits for at most ``timeout`` seconds if that is nothing."""
        if timeout:
            ready = select.poll()  # not select.select: a notebook may have more than 1024 files open
            ready.register(self._socket, select.POLLIN)
            ready.poll(timeout * 1000)
        found: list[Logged] = []
        while True:
            try:
                data = self._socket.recv(_RECEIVE)
            except BlockingIOError:
                return found
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                continue  # the numbers of those that follow tell how many were lost
            for kind, _, _, begin, end in split(data):
                if kind == _PACKET:
                    found.append(self._logged(attributes(data[:end], begin + 4)))

    def _logged(self, given: dict[int, bytes]) -> Logged:
        number = _number(given, _SEQUENCE)
        if self._expected is not None:
            self.lost += (number - self._expected) & 0xFFFFFFFF
        self._expected = number + 1
        stamp = given.get(_TIMESTAMP)
        seconds, micro = _TIME.unpack(stamp) if stamp else (0, 0)
        return Logged(
            given.get(_PREFIX, b"").rstrip(b"\0").decode(errors="replace"),
            seconds + micro / 1e6 if stamp else time.time(),
            given.get(_PAYLOAD, b""),
            _number(given, _MARK),
            _number(given, _IN),
            _number(given, _OUT),
            _BY_PORT in given,
        )

    def close(self) -> None:
        """Stop listening; the rules log to nobody."""
        self._socket.close()

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _number(given: dict[int, bytes], kind: int) -> int:
    return int.from_bytes(given.get(kind, b""), "big")


def _listen(group: int, copy: int) -> socket.socket:
    listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER)
    try:
        listening.bind((0, 0))
        listening.settimeout(_PATIENCE)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED_BUFFER)
        mode = struct.pack("!IBx", copy, _COPY_PACKET)
        for settings in (
            attribute(_CMD, _BIND),
            attribute(_MODE, mode)
            + be32(_BUFFER_SIZE, _BATCH)
            + be32(_TIMEOUT, _TENTH)
            + be32(_THRESHOLD, _AT_MOST)
            + attribute(_FLAGS, struct.pack("!H", _NUMBERED)),
        ):
            _configure(listening, group, settings)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return listening


def _configure(listening: socket.socket, group: int, settings: bytes) -> None:
    body = _FAMILY.pack(0, 0, group) + settings
    listening.send(HEADER.pack(16 + len(body), _CONFIG, c.NLM_F_REQUEST | c.NLM_F_ACK, 1, 0) + body)
    while True:
        data = listening.recv(_RECEIVE)
        for kind, _, _, begin, _ in split(data):
            if kind == c.NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", data, begin)
                if code:
                    raise _explained(-code, group)
                return


def _explained(code: int, group: int) -> Exception:
    if code in (errno.EBUSY, errno.EPERM):  # in a sandbox everything else is permitted
        return AlreadyExists(
            f"Somebody listens to log group {group} already, and only one can.", "End the other one, or use another."
        )
    return KernelFeatureMissing(
        f"This kernel cannot hand over what firewall rules log: {os.strerror(code).lower()}.",
        "It needs nfnetlink_log: `sudo modprobe nfnetlink_log` outside the sandbox.",
    )
