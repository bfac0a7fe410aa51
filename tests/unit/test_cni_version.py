"""Versions of the CNI specification, and its error codes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni import codes
from labhelpers.cni.plugin import skeleton
from labhelpers.cni.version import SUPPORTED, at_least, highest, parsed
from labhelpers.errors import BadInput


def test_runtime_and_plugins_speak_the_same_versions() -> None:
    assert skeleton.VERSIONS == SUPPORTED == ("0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


@given(st.tuples(*[st.integers(0, 999)] * 3), st.tuples(*[st.integers(0, 999)] * 3))
def test_versions_compare_by_number(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    texts = [".".join(map(str, version)) for version in (one, other)]
    assert parsed(texts[0]) == one
    assert at_least(texts[0], texts[1]) == (one >= other)


@pytest.mark.parametrize("given", ["", "1", "1.1", "1.1.0.0", "v1.1.0", "1.-1.0", "one", None, 1.1])
def test_what_is_no_version_is_refused(given: Any) -> None:
    with pytest.raises(BadInput, match=r"is not a version of the CNI specification\. Write one of 0\.3\.0, "):
        parsed(given)


def test_the_highest_version_of_both_is_chosen_by_number_and_not_by_text() -> None:
    assert highest(["0.9.0", "0.10.0"], among=["0.9.0", "0.10.0", "0.11.0"]) == "0.10.0"
    assert highest(["1.1.0", "9.9.9", "0.4.0"]) == "1.1.0"


def test_without_a_version_in_common_both_sides_are_named() -> None:
    with pytest.raises(BadInput, match=r"is for CNI 0\.2\.0, 9\.9\.9, and nobody.*to one of 0\.3\.0, .*1\.1\.0\."):
        highest(["0.2.0", "9.9.9"])


def test_every_code_of_the_specification_has_its_words() -> None:
    assert set(codes.CODES) == {1, 2, 3, 4, 5, 6, 7, 11, 50, 51}
    assert {getattr(codes, name) for name in codes.__all__ if name.isupper() and name != "CODES"} == set(codes.CODES)
    assert codes.meaning(11) == "try again later"
    assert codes.meaning(100) == codes.meaning(999) == "the plugin's own code"
    assert codes.meaning(42) == codes.meaning(-1) == "a code the specification does not define"
