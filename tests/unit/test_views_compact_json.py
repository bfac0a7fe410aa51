"""JSON laid out for reading is the same JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.views.compact_json import LONGEST, compact

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=12), inner, max_size=6),
    max_leaves=40,
)


@given(VALUES)
def test_it_is_the_same_value(value: Any) -> None:
    assert json.loads(compact(value)) == value


@given(st.recursive(st.integers(0, 99), lambda inner: st.lists(inner, max_size=9), max_leaves=40))
def test_no_line_is_too_long(value: Any) -> None:
    assert max(map(len, compact(value).splitlines())) <= LONGEST


def test_what_fits_stays_on_one_line() -> None:
    value = {"ips": [{"address": "10.0.1.2/24", "gateway": "10.0.1.1"}], "routes": [{"dst": "0.0.0.0/0"}] * 3}
    assert compact(value) == (
        '{\n  "ips": [{"address": "10.0.1.2/24", "gateway": "10.0.1.1"}],\n'
        '  "routes": [{"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0"}, {"dst": "0.0.0.0/0"}]\n}'
    )
