"""The ring buffer: a queue in memory that eBPF programs fill and one process reads (Documentation/bpf/ringbuf.rst)."""

from __future__ import annotations

import mmap
import select
import struct
from collections.abc import Iterator

__all__ = ["Ring"]

_HEAD, _BUSY, _DISCARDED = 8, 1 << 31, 1 << 30  # of a record in the queue
_POSITION = struct.Struct("=Q")


class Ring:
    """Read a ring buffer by looking at its memory; no system call is needed for a record.

    Args:
        fd: of the map; whoever made it closes it.
        size: bytes, as it was created with.
        from_now: leave out what was written before.

    Raises:
        OSError: the memory cannot be mapped.
    """

    def __init__(self, fd: int, size: int, *, from_now: bool = False) -> None:
        self._fd, self.size = fd, size
        self._consumer = mmap.mmap(fd, mmap.PAGESIZE)
        try:
            # the queue is mapped twice in a row, so that a record at its end can be read in one piece
            produced = mmap.PAGESIZE + 2 * size
            self._producer = mmap.mmap(fd, produced, prot=mmap.PROT_READ, offset=mmap.PAGESIZE)
        except BaseException:
            self._consumer.close()
            raise
        if from_now:
            self._consumer[:8] = self._producer[:8]

    def read(self) -> Iterator[bytes]:
        """The records that are complete, oldest first; each is taken out when the next is asked for."""
        (position,) = _POSITION.unpack_from(self._consumer)
        (end,) = _POSITION.unpack_from(self._producer)
        while position < end:
            at = mmap.PAGESIZE + position % self.size
            (head,) = struct.unpack_from("=I", self._producer, at)
            if head & _BUSY:  # its program still writes it
                break
            length = head & ~(_BUSY | _DISCARDED)
            record = self._producer[at + _HEAD : at + _HEAD + length]
            position += (length + _HEAD + 7) & ~7
            self._consumer[:8] = _POSITION.pack(position)
            if not head & _DISCARDED:
                yield record

    def wait(self, timeout: float) -> bool:
        """Wait until there is something to read, at most ``timeout`` seconds.  Says whether there is."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))

    def close(self) -> None:
        """Stop reading."""
        self._producer.close()
        self._consumer.close()
