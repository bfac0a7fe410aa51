"""Object files of eBPF: what clang made is read, damage is said, and the committed ones are what the sources give."""

from __future__ import annotations

import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.linux.bpf import elf, maps
from labhelpers.linux.bpf.verifier import verdict
from labhelpers.networks.cilium.ebpf import records
from labhelpers.networks.cilium.ebpf.reasons import REASONS
from labhelpers.networks.cilium.limits import LIMITS
from tools import bpf

FOLDER = Path(__file__).parent.parent.parent / "labhelpers/networks/cilium/bpf"
DATAPATH = (FOLDER / "datapath.bpf.o").read_bytes()
LESSONS = (FOLDER / "lessons.bpf.o").read_bytes()


def _has_the_compiler() -> bool:
    if not shutil.which(bpf.COMPILER):
        return False
    said = subprocess.run([bpf.COMPILER, "--version"], capture_output=True, text=True).stdout
    return said.startswith("Debian clang version 14.0.6")


@pytest.mark.skipif(not _has_the_compiler(), reason="needs clang 14 of Debian 12")
def test_the_committed_objects_are_what_the_sources_give(tmp_path: Path) -> None:
    made = bpf.compile_all(tmp_path)
    assert sorted(one.name for one in made) == sorted(one.name for one in FOLDER.glob("*.bpf.o"))
    for one in made:
        assert one.read_bytes() == (FOLDER / one.name).read_bytes(), f"{one.name} is not its source's: make bpf"


def test_programs_and_tables_are_read() -> None:
    found = elf.read(DATAPATH)
    assert set(found.programs) == {"from_pod", "from_uplink", "from_overlay"}
    used = {name for code in found.programs.values() for _, name in code.maps}
    assert used | {"rules"} == set(found.maps)


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("settings", records.NUMBER, records.SETTINGS),
        ("own", struct.Struct("4s"), records.NUMBER),
        ("endpoints", struct.Struct("4s"), records.ENDPOINT),
        ("ipcache", records.BLOCK, records.LOCATED),
        ("isolated", records.SIDE, records.NUMBER),
        ("policy", records.QUESTION, struct.Struct(f"{len(records.answer(1))}s")),
        ("rules", records.NUMBER, records.RULE),
        ("flows", records.FLOW, records.STATE),
        ("services", records.FRONTEND, records.SERVICE),
        ("backends", records.SLOT, records.TARGET),
        ("translations", records.FLOW, records.TARGET),
        ("lost", records.NUMBER, struct.Struct("Q")),
        ("drops", records.NUMBER, records.COUNT),
    ],
)
def test_programs_and_the_agent_mean_the_same_bytes(table: str, key: struct.Struct, value: struct.Struct) -> None:
    found = elf.read(DATAPATH).maps[table]
    assert (found.key_size, found.value_size) == (key.size, value.size)


def test_the_tables_have_the_room_that_is_promised() -> None:
    found = elf.read(DATAPATH).maps
    assert found["endpoints"].entries >= LIMITS["endpoints"]
    assert found["ipcache"].entries >= LIMITS["ipcache"]
    assert found["policy"].entries >= LIMITS["allowed"]
    assert found["services"].entries >= LIMITS["services"]
    assert found["drops"].entries == 2 * len(REASONS)
    assert found["events"].kind == maps.RING


def test_each_instruction_has_its_line_of_the_source() -> None:
    for name, data in (("lessons", LESSONS), ("datapath", DATAPATH)):
        headers = set()
        for code in elf.read(data).programs.values():
            assert min(code.lines) == 0
            for line in code.lines.values():
                source = (FOLDER / (line.header or f"{name}.bpf.c")).read_text().splitlines()
                assert line.text == source[line.number - 1].strip()
                headers.add(line.header)
        assert headers == ({""} if name == "lessons" else {"", "packet.h", "services.h", "verdict.h"})


def test_a_map_is_put_where_its_name_was() -> None:
    code = elf.read(LESSONS).programs["counts"]
    (at, name) = code.maps[0]
    filled = code.with_maps({name: 77})
    assert struct.unpack_from("<BBhi", filled, at) == (0x18, 0x11, 0, 77)  # load 64 bits into register 1: map 77
    assert filled[:at] == code.instructions[:at]


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"\x7fELF\x02\x01" + bytes(58), DATAPATH[:5000], b"#!/bin/sh\n" * 99]
)
def test_what_is_no_object_file_is_said(data: bytes) -> None:
    with pytest.raises(BadInput, match="no object file of eBPF"):
        elf.read(data)


@given(st.data())
def test_damage_is_survived(data: st.DataObject) -> None:
    damaged = bytearray(LESSONS)
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=8)):
        damaged[at] = data.draw(st.integers(0, 255))
    with suppress(BadInput):
        elf.read(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))


@given(st.integers(0, 65535), st.integers(0, 65535))
def test_a_range_of_ports_is_its_prefixes(one: int, other: int) -> None:
    first, last = sorted((one, other))
    covered: list[int] = []
    for port, bits in records.port_prefixes(first, last):
        size = 1 << (16 - bits)
        assert port % size == 0
        covered += range(port, port + size)
    assert covered == list(range(first, last + 1))


# what Linux 6.18 said about lessons.bpf.c
SAID = """\
0: R1=ctx() R10=fp0
0: (61) r1 = *(u32 *)(r1 +76)         ; R1=pkt(r=0)
1: (71) r1 = *(u8 *)(r1 +23)
invalid access to packet, off=23 size=1, R1(id=0,off=23,r=0)
R1 offset is outside of the packet
processed 2 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_a_verdict_is_the_reason_and_the_steps_before_it() -> None:
    code = elf.read(LESSONS).programs["too_far"]
    found = verdict(SAID, code.lines)
    assert found.reason == "invalid access to packet, off=23 size=1, R1(id=0,off=23,r=0)"
    assert found.meaning == "The packet may be shorter: compare with data_end before this byte is read."
    assert [(one.number, one.instruction, one.registers) for one in found.steps] == [
        (0, "(61) r1 = *(u32 *)(r1 +76)", "R1=pkt(r=0)"),
        (1, "(71) r1 = *(u8 *)(r1 +23)", ""),
    ]
    assert found.steps[-1].source == "__u32 protocol = ip->protocol;"


def test_a_log_that_says_nothing_is_said() -> None:
    assert verdict("", {}).reason == "it gives no reason"
