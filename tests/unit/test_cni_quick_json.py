"""The quick JSON of plugins is that of the standard library."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.cni.plugin.quick_json import dumps, loads

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
CONTAINERS = VALUES.filter(lambda value: isinstance(value, (dict, list)))


@given(CONTAINERS)
def test_what_is_written_is_what_json_writes(value: Any) -> None:
    assert dumps(value) == json.dumps(value, ensure_ascii=False)


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_what_json_writes_is_read(value: Any, indent: int | None, ascii_only: bool) -> None:
    assert loads(json.dumps(value, indent=indent, ensure_ascii=ascii_only)) == value


@given(st.text(alphabet='{}[]",:\\ \n\t0123456789.eE+-truefalsnNIy\u00fc', max_size=12))
def test_any_text_is_read_or_refused_as_json_does(text: str) -> None:
    try:
        expected = json.loads(text, parse_constant=_refuse)
    except ValueError:
        with pytest.raises(ValueError, match=r"\bline \d|is not JSON"):
            loads(text)
    else:
        assert repr(loads(text)) == repr(expected)


def _refuse(name: str) -> Any:
    raise ValueError(name)


@pytest.mark.parametrize("text", ["", " ", "{", '{"a": 1', '{"a": 1}}', "{} {}", "nul", '{"a" 1}', "\ufeff{}", "'a'"])
def test_what_is_no_json_is_refused_with_the_place(text: str) -> None:
    with pytest.raises(ValueError, match=r"line 1 column \d+|BOM"):
        loads(text)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "[-Infinity]"])
def test_numbers_that_json_does_not_have_are_refused(text: str) -> None:
    """The standard library takes them; the plugins of other languages do not."""
    with pytest.raises(ValueError, match="is not JSON"):
        loads(text)


def test_deep_nesting_is_an_error_and_no_crash() -> None:
    with pytest.raises(RecursionError):
        loads("[" * 200_000)


def test_what_is_no_json_value_is_not_written() -> None:
    with pytest.raises(TypeError, match="set is not JSON"):
        dumps({"a": {1}})
