"""Why the kernel freed a packet, in its own words: the drop reason that it gives to ``kfree_skb`` (since Linux 5.17).

A small BPF program runs wherever a packet is dropped, and tells the reason, the namespace and the packet's beginning.
It ends with the file descriptors.  Only real root may load it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from labhelpers.linux import bpf, btf
from labhelpers.linux.bpf.ring import Ring
from labhelpers.linux.inside import require_sandbox

__all__ = ["Drops", "Freed"]

_QUEUE = 1 << 18  # bytes
_DATA = 80  # bytes of the packet, from its network header on
_RECORD = struct.Struct(f"=I4xI4x{_DATA}s")  # reason, namespace, packet
_PROBE_READ_KERNEL, _RINGBUF_OUTPUT = 113, 130  # numbers of helper functions
_PREFIX = "SKB_DROP_REASON_"


@dataclass(frozen=True, slots=True)
class Freed:
    """A packet that was dropped."""

    #: the kernel's word for it in lower case: ``netfilter drop``, ``no socket`` …
    reason: str
    #: inode number of the namespace whose interface it was on, 0 if it was on none yet
    inode: int
    #: from the IP header on
    data: bytes


def _instruction(code: int, to: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | to, offset, value)


def _move(to: int, source: int) -> bytes:
    return _instruction(0xBF, to, source)


def _set(to: int, value: int) -> bytes:
    return _instruction(0xB7, to, value=value)


def _add(to: int, value: int) -> bytes:
    return _instruction(0x07, to, value=value)


def _load(to: int, source: int, offset: int, *, half: bool = False) -> bytes:
    return _instruction(0x69 if half else 0x79, to, source, offset)


def _copy(to_stack: int, size: int) -> bytes:
    """``bpf_probe_read_kernel``: the bytes that register 3 points to, onto the stack."""
    return _move(1, 10) + _add(1, to_stack) + _set(2, size) + _instruction(0x85, value=_PROBE_READ_KERNEL)


def _program(queue: int) -> bytes:
    """The program, for the types of this kernel.

    Registers: 6 the packet (``struct sk_buff *``), 7 the reason.  On the stack: a record, and 16 bytes to read into.
    """
    record, scratch = -(_RECORD.size + 16), -16
    skb = {name: btf.offset("sk_buff", name) for name in ("head", "network_header", "dev")}
    lines = [_load(6, 1, 0), _load(7, 1, 16)]
    lines += [_instruction(0x7A, 10, offset=at) for at in range(record, 0, 8)]  # all of it must be written
    lines += [_instruction(0x63, 10, 7, record)]
    # the packet: head + network_header
    lines += [_move(3, 6), _add(3, skb["head"]), _copy(scratch, 8)]
    lines += [_move(3, 6), _add(3, skb["network_header"]), _copy(scratch + 8, 2)]
    lines += [_load(3, 10, scratch), _load(1, 10, scratch + 8, half=True), _instruction(0x0F, 3, 1)]
    lines += [_copy(record + 16, _DATA)]
    # the namespace: dev->nd_net.net->ns.inum
    lines += [_move(3, 6), _add(3, skb["dev"]), _copy(scratch, 8)]
    lines += [_load(3, 10, scratch), _add(3, btf.offset("net_device", "nd_net")), _copy(scratch, 8)]
    lines += [_load(3, 10, scratch), _add(3, btf.offset("net", "ns.inum")), _copy(record + 8, 4)]
    lines += [_instruction(0x18, 1, 1, value=queue), _instruction(0)]  # register 1: the map
    lines += [_move(2, 10), _add(2, record), _set(3, _RECORD.size), _set(4, 0)]
    lines += [_instruction(0x85, value=_RINGBUF_OUTPUT), _set(0, 0), _instruction(0x95)]
    return b"".join(lines)


class Drops:
    """Record every packet that the kernel drops, in every namespace, while the ``with`` block runs.

    Raises:
        OSError, KeyError: this kernel does not tell, or not to us.

    Shell: ``dropwatch``, ``perf trace --event skb:kfree_skb``.
    """

    def __init__(self) -> None:
        require_sandbox()
        self._names = btf.constants("skb_drop_reason")
        self._fds: list[int] = []
        self._ring: Ring | None = None
        try:
            queue = self._keep(bpf.create_map(bpf.RING_BUFFER, _QUEUE))
            program = self._keep(bpf.load(bpf.RAW_TRACEPOINT, _program(queue)))
            self._keep(bpf.open_raw_tracepoint("kfree_skb", program))
            self._ring = Ring(queue, _QUEUE)
        except BaseException:
            self.close()
            raise

    def _keep(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def read(self) -> list[Freed]:
        """What was dropped since the last call."""
        return list(self._read())

    def _read(self) -> Iterator[Freed]:
        for record in self._ring.read() if self._ring else ():
            reason, inode, data = _RECORD.unpack(record)
            name = self._names.get(reason, str(reason)).removeprefix(_PREFIX)
            yield Freed(name.replace("_", " ").lower(), inode, data)

    def close(self) -> None:
        """Stop: the program, the queue and the hook go."""
        if self._ring:
            self._ring.close()
            self._ring = None
        for fd in reversed(self._fds):
            os.close(fd)
        self._fds.clear()

    def __enter__(self) -> Drops:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
