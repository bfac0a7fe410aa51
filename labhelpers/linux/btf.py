"""The running kernel's own description of its types (Documentation/bpf/btf.rst): where a field of a struct is."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["constants", "offset"]

_FILE = Path("/sys/kernel/btf/vmlinux")
_HEADER = struct.Struct("=HBBIIIII")  # magic, version, flags, length, types from and length, strings from and length
_TYPE = struct.Struct("=III")  # name, information, size or type
_MEMBER = struct.Struct("=III")  # name, type, offset in bits
_STRUCT, _UNION, _ENUM = 4, 5, 6
_SEEN_THROUGH = (8, 9, 10, 11)  # typedef, volatile, const, restrict
#: bytes that follow a type: none, or so many, or so many for each of its parts
_AFTER = {1: 4, 3: 12, 14: 4, 17: 4}
_FOR_EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}


@cache
def _kernel() -> _Types:
    return _Types(_FILE.read_bytes())


class _Types:
    def __init__(self, data: bytes) -> None:
        _, _, _, length, types, size, strings, _ = _HEADER.unpack_from(data)
        self._data, self._strings = data, length + strings
        #: where each type is in the file; numbers begin with 1
        self._where = [0]
        self._named: dict[tuple[int, str], int] = {}
        at, end = length + types, length + types + size
        while at < end:
            name, information, _ = _TYPE.unpack_from(data, at)
            kind, parts = information >> 24 & 31, information & 0xFFFF
            if kind in (_STRUCT, _UNION, _ENUM) and name:
                self._named.setdefault((kind, self._text(name)), len(self._where))
            self._where.append(at)
            at += 12 + _AFTER.get(kind, 0) + _FOR_EACH.get(kind, 0) * parts

    def _text(self, name: int) -> str:
        start = self._strings + name
        return self._data[start : self._data.index(b"\0", start)].decode()

    def _kind(self, number: int) -> tuple[int, int, int, int]:
        """Kind, number of parts, what it points to, and where its parts are."""
        at = self._where[number]
        _, information, other = _TYPE.unpack_from(self._data, at)
        return information >> 24 & 31, information & 0xFFFF, other, at + 12

    def _members(self, number: int) -> Iterator[tuple[str, int, int]]:
        kind, parts, other, at = self._kind(number)
        while kind in _SEEN_THROUGH:
            kind, parts, other, at = self._kind(other)
        if kind in (_STRUCT, _UNION):
            for part in range(parts):
                name, type, bits = _MEMBER.unpack_from(self._data, at + part * 12)
                yield self._text(name), type, (bits & 0xFFFFFF) // 8

    def find(self, number: int, wanted: str) -> tuple[int, int] | None:
        """Type and offset of a member, also of one inside a nameless struct."""
        for name, type, at in self._members(number):
            if name == wanted:
                return type, at
            if not name and (inner := self.find(type, wanted)):
                return inner[0], at + inner[1]
        return None

    def offset(self, struct_name: str, path: str) -> int:
        """See :func:`offset`."""
        number, total = self._named[_STRUCT, struct_name], 0
        for part in path.split("."):
            found = self.find(number, part)
            if found is None:
                raise KeyError(f"{struct_name}.{path}")
            number, total = found[0], total + found[1]
        return total

    def constants(self, enum: str) -> dict[int, str]:
        """See :func:`constants`."""
        _, parts, _, at = self._kind(self._named[_ENUM, enum])
        pairs = (struct.unpack_from("=Ii", self._data, at + part * 8) for part in range(parts))
        return {value: self._text(name) for name, value in pairs}


def offset(struct_name: str, path: str) -> int:
    """Bytes from the start of a struct to a field: ``offset("net", "ns.inum")``.

    Raises:
        KeyError: this kernel has no such field.
        OSError: the kernel was built without this description.

    Shell: ``bpftool btf dump file /sys/kernel/btf/vmlinux``.
    """
    return _kernel().offset(struct_name, path)


def constants(enum: str) -> dict[int, str]:
    """The names of an enumeration's values.  Raises as ``offset`` does."""
    return _kernel().constants(enum)
