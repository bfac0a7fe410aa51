"""What ``clang -target bpf`` makes: an ELF file with programs, the maps they name, and the source line of each step.

Three kinds of sections matter.  ``tc`` holds the instructions of programs, one after another.  ``maps`` holds, for each
map, five numbers that say what it is to be like.  A relocation says which instruction means which map, because a map
has its number (a file descriptor) only when it exists.

Source: ``man 5 elf``; Documentation/bpf/llvm_reloc.rst; Documentation/bpf/btf.rst for the source lines.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from labhelpers.errors import BadInput
from labhelpers.linux.bpf.maps import MapKind

__all__ = ["Code", "ObjectFile", "SourceLine", "read"]

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")  # name, type, flags, address, offset, size, link, info, alignment, entry size
_SYMBOL = struct.Struct("<IBBHQQ")  # name, information, other, section, value, size
_RELOCATION = struct.Struct("<QQ")  # offset, symbol << 32 | type
_MAP = struct.Struct("<5I")
_SYMBOLS, _RELOCATIONS, _FUNCTION, _BPF = 2, 9, 2, 247  # SHT_SYMTAB, SHT_REL, STT_FUNC, EM_BPF
_PROGRAMS, _MAPS = "tc", "maps"
_LOAD_64 = 0x18  # the only instruction of 16 bytes: a 64-bit number, here a map
_PSEUDO_MAP_FD = 1


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the program's source."""

    number: int
    text: str
    #: the header that it is in; ``""`` for the program's own file
    header: str = ""


@dataclass(frozen=True, slots=True)
class Code:
    """A program as the compiler made it."""

    name: str
    instructions: bytes
    #: position in bytes of each instruction that means a map, and which
    maps: tuple[tuple[int, str], ...]
    #: the source line from each instruction on, by the number of the instruction
    lines: dict[int, SourceLine] = field(default_factory=dict)

    def with_maps(self, fds: dict[str, int]) -> bytes:
        """The instructions, with file descriptors of maps in place of their names."""
        code = bytearray(self.instructions)
        for at, name in self.maps:
            code[at + 1] = code[at + 1] & 0x0F | _PSEUDO_MAP_FD << 4
            struct.pack_into("<i", code, at + 4, fds[name])
        return bytes(code)


@dataclass(frozen=True, slots=True)
class ObjectFile:
    """Programs and maps by name."""

    programs: dict[str, Code]
    maps: dict[str, MapKind]


def read(data: bytes) -> ObjectFile:
    """Take an object file apart.  Touches no kernel.

    Raises:
        BadInput: it is no object file of eBPF, or not one of the form described above.

    Shell: ``llvm-objdump --disassemble --reloc FILE``.
    """
    try:
        return _File(data).read()
    except (struct.error, LookupError, ValueError, OverflowError, StopIteration) as error:
        raise BadInput(
            f"This is no object file of eBPF, or a damaged one: {error}.", "Make it again with `make bpf`."
        ) from error


class _File:
    def __init__(self, data: bytes) -> None:
        self.data = data
        header = _HEADER.unpack_from(data)
        if header[0][:6] != b"\x7fELF\x02\x01" or header[2] != _BPF:
            raise ValueError("its first bytes say something else")
        sections, count, names = header[6], header[12], header[13]
        self.sections = [_SECTION.unpack_from(data, sections + _SECTION.size * number) for number in range(count)]
        self.names = [self.string(names, section[0]) for section in self.sections]
        table = next(number for number, section in enumerate(self.sections) if section[1] == _SYMBOLS)
        self.strings = self.sections[table][6]
        self.symbols = list(_SYMBOL.iter_unpack(self.content(table)))

    def content(self, section: int) -> bytes:
        _, _, _, _, offset, size, *_ = self.sections[section]
        if offset + size > len(self.data):
            raise ValueError("it is cut off")
        return self.data[offset : offset + size]

    def string(self, section: int, offset: int) -> str:
        content = self.content(section)
        return content[offset : content.index(b"\0", offset)].decode()

    def read(self) -> ObjectFile:
        lines = dict(self.lines())
        programs: dict[str, Code] = {}
        maps: dict[str, MapKind] = {}
        for name, information, _, section, value, size in self.symbols:
            if section >= len(self.sections):  # of no section of this file
                continue
            if self.names[section] == _PROGRAMS and information & 15 == _FUNCTION:
                there = {(at - value) // 8: line for at, line in lines.items() if value <= at < value + size}
                code = self.content(section)[value : value + size]
                label = self.string(self.strings, name)
                programs[label] = Code(label, code, tuple(self.relocated(section, value, size)), there)
            elif self.names[section] == _MAPS and size == _MAP.size:
                maps[self.string(self.strings, name)] = MapKind(*_MAP.unpack_from(self.content(section), value))
        if not programs:
            raise ValueError("there is no program in it")
        named = {name for one in programs.values() for _, name in one.maps}
        if named - maps.keys():
            raise ValueError(f"it names {', '.join(sorted(named - maps.keys()))}, which is no map in it")
        return ObjectFile(programs, maps)

    def relocated(self, section: int, start: int, size: int) -> Iterator[tuple[int, str]]:
        for number, one in enumerate(self.sections):
            if one[1] == _RELOCATIONS and one[7] == section:
                for at, information in _RELOCATION.iter_unpack(self.content(number)):
                    if start <= at < start + size:
                        if self.content(section)[at] != _LOAD_64:
                            raise ValueError("it calls a function of its own that is not inlined")
                        yield at - start, self.string(self.strings, self.symbols[information >> 32][0])

    def lines(self) -> Iterator[tuple[int, SourceLine]]:
        """Of the programs' section: position in bytes, and the source line that begins there."""
        if ".BTF" not in self.names or ".BTF.ext" not in self.names:
            return
        btf, extra = (self.content(self.names.index(name)) for name in (".BTF", ".BTF.ext"))
        # struct btf_header: magic, version, flags, length, types from and length, strings from and length
        _, _, _, length, _, _, strings, _ = struct.unpack_from("<HBBIIIII", btf)
        # struct btf_ext_header: magic, version, flags, length, functions from and length, lines from and length
        _, _, _, extra_length, _, _, start, size = struct.unpack_from("<HBBIIIII", extra)

        def text(offset: int) -> str:
            begin = length + strings + offset
            return btf[begin : btf.index(b"\0", begin)].decode()

        at, end = extra_length + start, extra_length + start + size
        (record,) = struct.unpack_from("<I", extra, at)
        at += 4
        while at < end:
            name, count = struct.unpack_from("<II", extra, at)
            at += 8
            for _ in range(count):
                offset, file, line, place = struct.unpack_from("<IIII", extra, at)
                if text(name) == _PROGRAMS and place >> 10:  # line 0: the compiler's own, of no line
                    where = text(file).rpartition("/")[2]
                    yield offset, SourceLine(place >> 10, text(line).strip(), where if where.endswith(".h") else "")
                at += record
