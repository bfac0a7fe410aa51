"""See what is loaded: every program and map has a number, and by it a file descriptor (``man 2 bpf``)."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from labhelpers.linux.bpf import system_call as bpf
from labhelpers.linux.bpf.maps import Map, MapKind

__all__ = ["ProgramInfo", "id_of", "map_ids", "maps_of", "open_map", "open_program", "program", "program_ids"]

_INFO = 256  # bytes, more than any kernel's
_MOST_MAPS = 64  # that a program of ours can use


@dataclass(frozen=True, slots=True)
class ProgramInfo:
    """What the kernel says of a program."""

    id: int
    name: str
    #: after the verifier's and the compiler's work, in bytes of machine code
    machine_code: int
    #: numbers of the maps it uses
    maps: tuple[int, ...]


def program_ids() -> list[int]:
    """The numbers of all programs loaded on this machine, anybody's.  Shell: ``bpftool prog list``."""
    return list(_ids(bpf.PROG_GET_NEXT_ID))


def map_ids() -> list[int]:
    """The numbers of all maps on this machine, anybody's.  Shell: ``bpftool map list``."""
    return list(_ids(bpf.MAP_GET_NEXT_ID))


def program(id: int) -> ProgramInfo:
    """What the kernel says of one program.  Shell: ``bpftool prog show id ID``.

    Raises:
        OSError: ENOENT if there is none, EPERM for who may not ask.
    """
    fd = open_program(id)
    try:
        room = (ctypes.c_uint32 * _MOST_MAPS)()
        # struct bpf_prog_info: …, nr_map_ids at 52, map_ids at 56, name at 64
        info = bytearray(_INFO)
        struct.pack_into("=IQ", info, 52, _MOST_MAPS, ctypes.addressof(room))
        told = _info(fd, info)
        (machine_code,) = struct.unpack_from("=I", told, 16)
        (count,) = struct.unpack_from("=I", told, 52)
        return ProgramInfo(id, _text(told[64:80]), machine_code, tuple(room[: min(count, _MOST_MAPS)]))
    finally:
        os.close(fd)


def open_program(id: int) -> int:
    """A file descriptor of a program by its number.  Close it.  Raises OSError as ``program`` does."""
    return bpf.call(bpf.PROG_GET_FD_BY_ID, struct.pack("=III", id, 0, 0))[0]


def open_map(id: int) -> Map:
    """A map by its number.  Close it.

    Raises:
        OSError: as for ``program``.
    """
    fd, _ = bpf.call(bpf.MAP_GET_FD_BY_ID, struct.pack("=III", id, 0, 0))
    try:
        told = _info(fd, bytearray(_INFO))
    except BaseException:
        os.close(fd)
        raise
    # struct bpf_map_info: type, id, key size, value size, entries, flags, name
    kind, _, key, value, entries, flags = struct.unpack_from("=6I", told)
    return Map(fd, _text(told[24:40]), MapKind(kind, key, value, entries, flags))


def id_of(map: Map) -> int:
    """The kernel's number of an open map."""
    (id,) = struct.unpack_from("=I", _info(map.fd, bytearray(_INFO)), 4)
    return int(id)


def maps_of(id: int) -> dict[str, Map]:
    """The maps that a program uses, by name.  Close them.  Raises OSError as ``program`` does."""
    found: dict[str, Map] = {}
    try:
        for number in program(id).maps:
            one = open_map(number)
            found[one.name] = one
    except BaseException:
        for one in found.values():
            one.close()
        raise
    return found


def _ids(command: int) -> Iterator[int]:
    id = 0
    while True:
        try:
            _, answer = bpf.call(command, struct.pack("=III", id, 0, 0))
        except FileNotFoundError:
            return
        (id,) = struct.unpack_from("=I", answer, 4)
        yield id


def _info(fd: int, info: bytearray) -> bytes:
    buffer = ctypes.create_string_buffer(bytes(info), len(info))
    bpf.call(bpf.OBJ_GET_INFO_BY_FD, struct.pack("=IIQ", fd, len(buffer), ctypes.addressof(buffer)))
    return buffer.raw


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode(errors="replace")
