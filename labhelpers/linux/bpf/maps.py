"""Maps: tables in the kernel that eBPF programs and processes read and write (``man 2 bpf``)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labhelpers.errors import KernelRefused, LabError, NeedsPrivilege
from labhelpers.linux.bpf import system_call as bpf

__all__ = ["ARRAY", "HASH", "LONGEST_PREFIX", "LRU_HASH", "NO_PREALLOCATION", "RING", "Map", "MapKind", "refused"]

#: enum bpf_map_type, bpf.h
HASH, ARRAY, LRU_HASH, LONGEST_PREFIX, RING = 1, 2, 9, 11, bpf.RING_BUFFER
NO_PREALLOCATION = 1  # BPF_F_NO_PREALLOC, which a map of longest prefixes must have
_NAMES = {HASH: "hash", ARRAY: "array", LRU_HASH: "lru_hash", LONGEST_PREFIX: "lpm_trie", RING: "ringbuf"}
#: what the kernel says when there is no room: a hash, a trie
_FULL = (errno.E2BIG, errno.ENOSPC)
_NAME = 16  # bytes, with the zero at the end


@dataclass(frozen=True, slots=True)
class MapKind:
    """What a map is to be like."""

    kind: int
    #: bytes
    key_size: int
    value_size: int
    #: how many entries at most; of a ring: its bytes
    entries: int
    flags: int = 0

    @property
    def word(self) -> str:
        """The kind as ``bpftool`` calls it."""
        return _NAMES.get(self.kind, str(self.kind))


class Map:
    """A map by its file descriptor.  The kernel keeps it as long as a descriptor or a loaded program does.

    Keys and values are bytes.
    """

    def __init__(self, fd: int, name: str, kind: MapKind) -> None:
        self.fd, self.name, self.kind = fd, name, kind

    @classmethod
    def create(cls, name: str, kind: MapKind) -> Map:
        """Create an empty map.

        Raises:
            NeedsPrivilege, KernelRefused: nothing was made.

        Shell: ``bpftool map create PATH type KIND key SIZE value SIZE entries COUNT name NAME``, which keeps it.
        """
        # …, map_flags, inner_map_fd, numa_node, map_name
        head = (kind.kind, kind.key_size, kind.value_size, kind.entries, kind.flags, 0, 0)
        try:
            fd, _ = bpf.call(bpf.MAP_CREATE, struct.pack(f"=7I{_NAME}s", *head, name[: _NAME - 1].encode()))
        except OSError as error:
            raise refused(error, f"create the map {name}") from error
        return cls(fd, name, kind)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key; of a map of longest prefixes: that of the longest one that fits.  Changes nothing."""
        value = ctypes.create_string_buffer(self.kind.value_size)
        try:
            self._element(bpf.MAP_LOOKUP_ELEM, key, ctypes.addressof(value))
        except FileNotFoundError:
            return None
        return value.raw

    def put(self, key: bytes, value: bytes) -> None:
        """Give a key a value, whether it has one or not.

        Raises:
            KernelRefused: the map is full.

        Shell: ``bpftool map update id ID key … value …``.
        """
        assert len(value) == self.kind.value_size
        buffer = ctypes.create_string_buffer(value, len(value))
        try:
            self._element(bpf.MAP_UPDATE_ELEM, key, ctypes.addressof(buffer))
        except OSError as error:
            if error.errno in _FULL:
                raise KernelRefused(
                    f"The eBPF map {self.name!r} is full: it has room for {self.kind.entries} entries.",
                    "Fewer pods, policies or ports need fewer entries.",
                    errno=error.errno,
                ) from error
            raise refused(error, f"write to the map {self.name}") from error

    def remove(self, key: bytes) -> bool:
        """Take a key and its value out.  Says whether it was there.  Shell: ``bpftool map delete id ID key …``."""
        try:
            self._element(bpf.MAP_DELETE_ELEM, key, 0)
        except FileNotFoundError:
            return False
        return True

    def keys(self) -> Iterator[bytes]:
        """Every key.  Changes nothing.  A key that comes or goes meanwhile may be missed or told twice."""
        buffer = ctypes.create_string_buffer(self.kind.key_size)
        key = b""
        while True:
            try:
                self._element(bpf.MAP_GET_NEXT_KEY, key, ctypes.addressof(buffer))
            except FileNotFoundError:
                return
            key = buffer.raw
            yield key

    def items(self) -> list[tuple[bytes, bytes]]:
        """Every key with its value, in no order.  Changes nothing.  Shell: ``bpftool map dump id ID``."""
        found = {key: self.get(key) for key in self.keys()}
        return [(key, value) for key, value in found.items() if value is not None]

    def memory(self) -> int:
        """How many bytes of the kernel's memory it takes.  Shell: ``bpftool map show``, ``memlock``."""
        lines = Path(f"/proc/self/fdinfo/{self.fd}").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("memlock:")), 0)

    def clear(self) -> None:
        """Take everything out."""
        for key in list(self.keys()):
            self.remove(key)

    def close(self) -> None:
        """Let go of it; it stays as long as a program uses it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def _element(self, command: int, key: bytes, where: int) -> None:
        assert not key or len(key) == self.kind.key_size
        buffer = ctypes.create_string_buffer(key, len(key)) if key else None
        bpf.call(command, struct.pack("=I4xQQQ", self.fd, ctypes.addressof(buffer) if buffer else 0, where, 0))

    def __repr__(self) -> str:
        return f"<eBPF map {self.name}: {self.kind.word}, at most {self.kind.entries}>"


def refused(error: OSError, what: str) -> LabError:
    """The error for what the kernel refused about eBPF, in a sentence."""
    if error.errno in (errno.EPERM, errno.EACCES):
        return NeedsPrivilege(
            f"The kernel does not let this process {what}: eBPF is for real root.",
            "Run doctor() to see what this sandbox may do.",
            errno=error.errno,
        )
    words = (error.strerror or str(error)).lower()
    return KernelRefused(f"The kernel did not {what}: {words}.", "Run doctor() to see what it has.", errno=error.errno)
