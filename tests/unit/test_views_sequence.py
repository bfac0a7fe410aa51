"""The sequence diagram: as text, as a picture, from a few lines."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.errors import BadInput
from labhelpers.views.sequence import Message, Sequence

STORY = """
kubelet -> containerd: RunPodSandbox
containerd -> containerd: makes the namespace
containerd --> kubelet: the sandbox: ready
"""
SVG = "{http://www.w3.org/2000/svg}"
NAMES = st.sampled_from(["kubelet", "containerd", "lab-bridge", "a", "x" * 40])
MESSAGES = st.lists(st.builds(Message, NAMES, NAMES, st.text(min_size=1, max_size=90), st.booleans()), min_size=1)


def test_lines_become_messages() -> None:
    assert Sequence.parse(STORY).messages == (
        Message("kubelet", "containerd", "RunPodSandbox"),
        Message("containerd", "containerd", "makes the namespace"),
        Message("containerd", "kubelet", "the sandbox: ready", is_answer=True),
    )


@pytest.mark.parametrize("line", ["kubelet: hello", "kubelet -> containerd", "-> containerd: hello", "a -> b:"])
def test_a_line_that_is_no_arrow_is_refused(line: str) -> None:
    with pytest.raises(BadInput, match=r"no arrow.*Write it like"):
        Sequence.parse(f"a -> b: fine\n{line}")


def test_nothing_to_draw_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing to draw"):
        Sequence.parse("\n")


def test_as_text() -> None:
    assert repr(Sequence.parse(STORY)).splitlines() == [
        " 1.    kubelet → containerd  RunPodSandbox",
        " 2. containerd                makes the namespace",
        " 3. containerd ⇢ kubelet     the sandbox: ready",
    ]


def test_what_is_no_step_has_no_number_and_the_count_goes_on() -> None:
    more = Message("a", "a", "one", is_step=False)
    story = Sequence([Message("a", "a", "two things:"), more, Message("a", "b", "x")])
    assert repr(story).splitlines() == [
        " 1. a       two things:",
        "    a       one",
        " 2. a → b  x",
    ]
    texts = [one.text for one in ElementTree.fromstring(story.svg()).iter(f"{SVG}text")]
    assert texts == ["a", "b", "1. two things:", "one", "2. x"]


def test_times_have_a_column_of_their_own_on_the_left() -> None:
    story = Sequence(
        [Message("a", "b", "x", when="5 ms"), Message("b", "a", "y", when="12 ms"), Message("a", "b", "z")]
    )
    assert repr(story).splitlines() == [" 5 ms   1. a → b  x", "12 ms   2. b → a  y", "        3. a → b  z"]
    places = {one.text: float(one.attrib["x"]) for one in ElementTree.fromstring(story.svg()).iter(f"{SVG}text")}
    assert 0 < places["5 ms"] == places["12 ms"] < places["a"] < places["1. x"]


def test_a_screen_reader_gets_the_text() -> None:
    html = Sequence.parse(STORY)._repr_html_()
    assert 'alt=" 1.    kubelet → containerd  RunPodSandbox' in html
    (image,) = re.findall('base64,([^"]+)', html)
    ElementTree.fromstring(base64.b64decode(image))


def test_parties_can_be_ordered() -> None:
    assert Sequence([Message("b", "a", "hello")], ["a", "b"]).parties == ("a", "b")


@given(MESSAGES)
def test_everything_is_inside_the_picture_and_in_order(messages: list[Message]) -> None:
    sequence = Sequence(messages)
    root = ElementTree.fromstring(sequence.svg())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = [(float(one.attrib["x"]), float(one.attrib["y"]), one.text or "") for one in root.iter(f"{SVG}text")]
    assert all(0 <= x <= width and 0 <= y <= height for x, y, _ in texts)
    heights = [y for _, y, text in texts if re.match(r"\d+\. ", text)]
    assert len(heights) == len(messages)
    assert all(above < below for above, below in pairwise(heights))
    heads = [x for x, _, text in texts if not re.match(r"\d+\. ", text)]
    assert all(left < right for left, right in pairwise(heads))


@given(MESSAGES)
def test_what_is_no_step_is_inside_the_picture_too(messages: list[Message]) -> None:
    root = ElementTree.fromstring(Sequence([replace(one, is_step=False) for one in messages]).svg())
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    texts = [(float(one.attrib["x"]), float(one.attrib["y"])) for one in root.iter(f"{SVG}text")]
    assert len(texts) == len(messages) + len({name for one in messages for name in (one.source, one.target)})
    assert all(0 <= x <= width and 0 <= y <= height for x, y in texts)
