"""Maps, programs and the verifier: what they do, and what they say when something is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from labhelpers.errors import BadInput, KernelRefused
from labhelpers.linux.bpf import elf, find, maps, program
from labhelpers.linux.bpf.maps import Map, MapKind
from labhelpers.linux.bpf.verifier import VerifierRefused
from labhelpers.networks.cilium.ebpf.lessons import LESSONS, source_of, verify

FOLDER = Path(__file__).parent.parent.parent / "labhelpers/networks/cilium/bpf"


def test_a_map_gives_back_what_it_was_given() -> None:
    made = Map.create("numbers", MapKind(maps.HASH, 4, 8, 16))
    try:
        assert (made.get(b"aaaa"), made.items(), made.remove(b"aaaa")) == (None, [], False)
        for number in range(10):
            made.put(bytes([number] * 4), bytes([number] * 8))
        made.put(bytes([3] * 4), b"replaced")
        expected = {bytes([number] * 4): bytes([number] * 8) for number in range(10)} | {bytes([3] * 4): b"replaced"}
        assert dict(made.items()) == expected
        assert made.remove(bytes([3] * 4))
        assert made.get(bytes([3] * 4)) is None
        again = find.open_map(find.id_of(made))
        assert (again.name, again.kind) == (made.name, made.kind)
        again.clear()
        again.close()
        assert made.items() == []
    finally:
        made.close()


def test_the_longest_prefix_decides() -> None:
    made = Map.create("prefixes", MapKind(maps.LONGEST_PREFIX, 8, 4, 16, maps.NO_PREALLOCATION))
    try:
        for bits, value in ((0, b"any "), (8, b"ten "), (32, b"one ")):
            made.put(bits.to_bytes(4, "little") + bytes([10, 0, 0, 1]), value)
        asked = [(10, 0, 0, 1), (10, 0, 0, 2), (11, 0, 0, 1)]
        assert [made.get((32).to_bytes(4, "little") + bytes(one)) for one in asked] == [b"one ", b"ten ", b"any "]
    finally:
        made.close()


@pytest.mark.parametrize(
    "kind",
    [MapKind(maps.HASH, 4, 4, 2), MapKind(maps.LONGEST_PREFIX, 8, 4, 2, maps.NO_PREALLOCATION)],
    ids=["hash", "lpm"],
)
def test_a_full_map_says_so(kind: MapKind) -> None:
    made = Map.create("tiny", kind)
    try:
        prefix = b"\x20\0\0\0" if kind.key_size == 8 else b""
        for number in range(2):
            made.put(prefix + bytes([number] * 4), b"full")
        with pytest.raises(KernelRefused, match="'tiny' is full: it has room for 2 entries"):
            made.put(prefix + b"more", b"full")
        assert len(made.items()) == 2
    finally:
        made.close()


def test_a_kind_that_cannot_be_is_refused_in_words() -> None:
    with pytest.raises(KernelRefused, match="did not create the map odd: invalid argument"):
        Map.create("odd", MapKind(maps.HASH, 0, 4, 2))


def test_a_program_counts_packets_that_were_never_on_a_wire() -> None:
    code = elf.read((FOLDER / "lessons.bpf.o").read_bytes())
    packets = Map.create("packets", code.maps["packets"])
    loaded = program.load(code.programs["counts"], {"packets": packets})
    try:
        udp = bytes(12) + b"\x08\x00" + b"\x45\0\0\x1c\0\0\0\0\x40\x11\0\0" + bytes(16)
        returned, nanoseconds = loaded.run(udp, times=7)
        assert returned == 0
        assert nanoseconds > 0
        counted = {key[0]: int.from_bytes(value, "little") for key, value in packets.items()}
        assert {protocol: count for protocol, count in counted.items() if count} == {17: 7}
    finally:
        loaded.close()
        packets.close()


@pytest.mark.parametrize(
    ("lesson", "reason", "line", "meaning"),
    [
        ("too_far", "invalid access to packet", "__u32 protocol = ip->protocol;", "The packet may be shorter"),
        ("unchecked", "map_value_or_null", "*count += 1;", "A look-up may find nothing"),
        ("endless", "infinite loop|back-edge", "for (;;)", "It may never end"),
    ],
)
def test_the_verifier_refuses_and_says_where_and_why(lesson: str, reason: str, line: str, meaning: str) -> None:
    with pytest.raises(VerifierRefused, match=reason) as refused:
        verify(lesson)
    assert refused.value.verdict.steps[-1].source == line
    assert line in source_of(lesson)
    assert refused.value.what.startswith(f"The verifier refused the eBPF program {lesson} at line ")
    assert refused.value.to_do.startswith(meaning)
    assert refused.value.log


def test_the_verifier_accepts_what_is_right_and_nothing_stays() -> None:
    before = set(find.program_ids())
    verify("counts")
    mine = [one for one in set(find.program_ids()) - before if find.program(one).name == "counts"]
    assert mine == []


def test_every_lesson_has_a_source_and_others_are_none() -> None:
    assert all(f"int {one}(struct __sk_buff" in source_of(one) for one in LESSONS)
    with pytest.raises(BadInput, match="There is no lesson 'other'"):
        verify("other")
