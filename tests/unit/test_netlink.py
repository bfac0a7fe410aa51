"""Netlink bytes: what is written can be read, and what no kernel would send neither crashes nor loops."""

from __future__ import annotations

import errno
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.linux import constants as c
from labhelpers.linux import netlink
from labhelpers.linux.netlink import HEADER, Message, NetlinkRefusal, NetlinkSocket, attribute, attributes, nested

KINDS = st.integers(1, 0x3FFF)
VALUES = st.binary(max_size=64)


@given(st.dictionaries(KINDS, VALUES, max_size=12))
def test_attributes_written_are_the_attributes_read(wanted: dict[int, bytes]) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted.items())
    assert len(data) % 4 == 0
    assert attributes(data) == wanted
    assert attributes(b"header--" + data, 8) == wanted


def test_numbers_texts_and_nests_are_attributes() -> None:
    data = nested(18, netlink.text(1, "veth"), netlink.number(2, 7))
    assert data == bytes.fromhex("1800 1200 0900 0100 76657468 00 000000 0800 0200 07000000".replace(" ", ""))
    assert attributes(attributes(data)[18]) == {1: b"veth\0", 2: struct.pack("=I", 7)}


def test_the_flag_of_a_nest_is_no_part_of_its_type() -> None:
    assert attributes(attribute(18 | 0x8000, b"abcd")) == {18: b"abcd"}


@given(st.binary(max_size=200), st.integers(0, 210))
def test_any_bytes_can_be_read_as_attributes(data: bytes, offset: int) -> None:
    for value in attributes(data, offset).values():
        assert value in data


@given(st.dictionaries(KINDS, VALUES, min_size=1, max_size=5), st.integers(1, 60))
def test_an_attribute_that_is_cut_off_is_left_out(wanted: dict[int, bytes], missing: int) -> None:
    data = b"".join(attribute(kind, value) for kind, value in wanted.items())
    found = attributes(data[:-missing])
    assert found.items() <= wanted.items()


@given(st.binary(max_size=300))
def test_any_bytes_can_be_split_into_messages(data: bytes) -> None:
    ends = [0]
    for kind, flags, _, start, end in netlink.split(data):
        assert ends[-1] <= start - 16
        assert start <= end <= len(data)
        ends.append(end)
        netlink._refusal(data, kind, flags, start, end)


@given(st.binary(max_size=120), st.sampled_from([c.NLMSG_ERROR, c.NLMSG_DONE]), st.integers(0, 0x3FF))
def test_any_refusal_can_be_read(body: bytes, kind: int, flags: int) -> None:
    netlink._refusal(b"x" * 16 + body, kind, flags, 16, 16 + len(body))


class Wire:
    """A kernel that answers with bytes given beforehand, and keeps what it was sent."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.sent: list[bytes] = []

    def setsockopt(self, *_: int) -> None:
        """Every option is known."""

    def sendall(self, data: bytes) -> None:
        self.sent.append(data)

    def recv(self, _: int) -> bytes:
        return self.answers.pop(0)

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def wired(monkeypatch: pytest.MonkeyPatch) -> Any:
    def connect(*answers: bytes) -> tuple[NetlinkSocket, Wire]:
        wire = Wire(*answers)
        monkeypatch.setattr("labhelpers.linux.netlink.socket.socket", lambda *_: wire)
        return NetlinkSocket(), wire

    return connect


def _answer(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    return HEADER.pack(16 + len(body), kind, flags, sequence, 0) + body


def _error(sequence: int, code: int, explanation: str = "") -> bytes:
    body = struct.pack("=i", -code) + bytes(16)
    flags = c.NLM_F_CAPPED
    if explanation:
        flags |= c.NLM_F_ACK_TLVS
        body += netlink.text(c.NLMSGERR_ATTR_MSG, explanation)
    return _answer(c.NLMSG_ERROR, sequence, body, flags)


def test_messages_go_together_and_only_the_last_asks_for_an_answer(wired: Any) -> None:
    socket, wire = wired(_error(3, 0))
    socket.send([Message(16, 0x400, b""), Message(20, 0, b"abcd"), Message(24, 0, b"")])
    (sent,) = wire.sent
    heads = [HEADER.unpack_from(sent, offset) for offset in (0, 16, 36)]
    assert [(head[1], head[2], head[3]) for head in heads] == [(16, 0x401, 1), (20, 1, 2), (24, 1 | c.NLM_F_ACK, 3)]


def test_a_refusal_says_which_messages_and_what_the_kernel_said(wired: Any) -> None:
    socket, _ = wired(_error(2, errno.EEXIST, "it is there") + _error(4, errno.ENODEV), _error(5, 0))
    with pytest.raises(NetlinkRefusal, match="it is there") as caught:
        socket.send([Message(16, 0, b"")] * 5)
    assert caught.value.errno == errno.EEXIST
    assert caught.value.position == 1
    assert caught.value.positions == (1, 3)
    assert caught.value.tried == 5


def test_after_a_refusal_no_further_hundred_is_sent(wired: Any) -> None:
    socket, wire = wired(_error(100, 0), _error(101, errno.EPERM) + _error(200, 0))
    with pytest.raises(NetlinkRefusal) as caught:
        socket.send([Message(16, 0, b"")] * 250)
    assert len(wire.sent) == 2
    assert caught.value.position == 100
    assert caught.value.tried == 200


def test_answers_to_an_earlier_question_are_passed_over(wired: Any) -> None:
    socket, _ = wired(_answer(16, 7, b"old!"), _answer(16, 1, b"new!") + _answer(c.NLMSG_DONE, 1, bytes(4)))
    assert list(socket.dump(18, b"")) == [b"new!"]


def test_a_dump_that_the_kernel_says_changed_meanwhile_is_read_again(wired: Any) -> None:
    cut = _answer(16, 1, b"half", c.NLM_F_DUMP_INTR) + _answer(c.NLMSG_DONE, 1, bytes(4))
    socket, _ = wired(cut, _answer(16, 2, b"all!") + _answer(c.NLMSG_DONE, 2, bytes(4)))
    assert list(socket.dump(18, b"")) == [b"all!"]


def test_a_dump_that_ends_with_an_error_is_no_table(wired: Any) -> None:
    body = struct.pack("=i", -errno.EMSGSIZE) + netlink.text(c.NLMSGERR_ATTR_MSG, "too long")
    socket, _ = wired(_answer(16, 1, b"half") + _answer(c.NLMSG_DONE, 1, body, c.NLM_F_ACK_TLVS))
    with pytest.raises(NetlinkRefusal, match="too long") as caught:
        list(socket.dump(18, b""))
    assert caught.value.errno == errno.EMSGSIZE
