"""Every dated fact says where it is from and when it was checked, and every fact cited exists."""

from __future__ import annotations

import datetime
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from labhelpers.course.facts import Fact, fact, facts
from labhelpers.errors import NotFound

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def _cited() -> set[str]:
    cells = (
        "".join(cell["source"])
        for notebook in NOTEBOOKS.glob("*.ipynb")
        for cell in json.loads(notebook.read_text())["cells"]
    )
    return {id for cell in cells for id in re.findall(r'fact\("([^"]*)"\)', cell)}


@pytest.mark.parametrize("one", facts().values(), ids=lambda one: one.id)
def test_a_fact_has_a_text_a_source_and_a_day(one: Fact) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", one.id)
    assert one.text.endswith(".")
    assert re.fullmatch(r"https://\S+", one.source)
    assert datetime.date.fromisoformat(one.checked) >= datetime.date(2026, 1, 1)


def test_ids_are_unique() -> None:
    entries = json.loads(files("labhelpers.course").joinpath("facts.json").read_text(encoding="utf-8"))
    assert len(entries) == len(facts())


def test_the_facts_cited_in_the_notebooks_are_the_facts_there_are() -> None:
    assert _cited() == set(facts())


def test_a_fact_shows_text_source_and_day() -> None:
    shown = fact("docker-namespace-path")
    assert "<code>ip netns list</code> looks in" in shown._repr_html_()
    for form in (repr(shown), shown._repr_html_()):
        assert "/var/run/docker/netns" in form
        assert shown.source in form
        assert shown.checked in form


def test_an_unknown_fact_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound, match="Did you mean 'docker-namespace-path'"):
        fact("docker-netns-path")
