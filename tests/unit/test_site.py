"""The pages of docs/, what is done to chapters for them, and the search for links that lead nowhere."""

from __future__ import annotations

import base64
import json
import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

import labhelpers
from labhelpers.topology import Snapshot
from labhelpers.views.inside import packed, unpacked
from labhelpers.views.svg import DARK
from tests.samples.snapshots import two_nodes
from tools.site_chapters import dark_style, page, pictures
from tools.site_links import wrong_links

CLONE = Path(__file__).resolve().parent.parent.parent
DOCS = CLONE / "docs"
#: modules of which chapters use everything
_TOPICS = {"cni", "clinic", "workshop"}
SVG = (
    '<svg><rect width="100%" height="100%" rx="6" fill="#ffffff"/>'
    '<rect rx="4" fill="#ffffff" stroke="#57606a"/><text fill="#1b1f24">eth0</text></svg>'
)


def test_every_word_of_the_vocabulary_is_on_the_reference_page() -> None:
    shown = set(
        re.findall(r"auto(?:class|function):: labhelpers\.(?:doctor\.)?(\w+)(?:\(.*\))?$", _text("reference"), re.M)
    )
    assert set(labhelpers.__all__) <= shown


def test_what_chapters_import_is_on_the_reference_page() -> None:
    """But what serves a single chapter, such as the shop of chapter 08."""
    imported: dict[tuple[str, str], set[str]] = {}
    for path in sorted((CLONE / "notebooks").glob("[0-9]*.ipynb")):
        for cell in page(path).cells:
            for module, names in re.findall(r"^from (labhelpers[\w.]*) import (.+)$", cell.source, re.M):
                for name in names.split(", "):
                    imported.setdefault((module, name), set()).add(path.name)
    assert len(imported) > 40
    shared = {name for (module, name), files in imported.items() if module.count(".") < 2 or len(files) > 1}
    shown = re.findall(r"auto(?:class|function|module):: labhelpers\.(?:\w+\.)*(\w+)", _text("reference"))
    elsewhere = {"LabError", "CniFailed"} | {"ask", "kubectl", "new_cluster"}  # of the two modules that are shown whole
    assert shared - {*shown, *elsewhere, *_TOPICS} == set()


def test_the_glossary_is_in_order_and_names_chapters_that_there_are() -> None:
    text = _text("glossary")
    words = re.findall(r"^- \*\*(.+?)\*\*: ", text, re.M)
    assert len(words) > 30
    assert [word.lower() for word in words] == sorted(word.lower() for word in words)
    there = {path.name[:2] for path in (CLONE / "notebooks").glob("[0-9]*.ipynb")}
    assert set(re.findall(r"\b\d\d\b(?=[,)])", text)) <= there


def test_feedback_goes_to_one_address() -> None:
    issues = re.search(r'^Issues = "(.*)"$', (CLONE / "pyproject.toml").read_text(), re.M)
    assert issues
    assert f"<{issues[1]}>" in _text("feedback")


def test_every_table_of_nftables_has_an_owner_in_the_design() -> None:
    named = re.compile(r"^_?(?:TABLE|GUARD|TABLE, GUARD) = (.*)$", re.M)
    found = {name for path in (CLONE / "labhelpers/networks").rglob("*.py") for name in named.findall(path.read_text())}
    tables = {table for line in found for table in re.findall(r'"((?:ip|netdev|arp|bridge) \w+)"', line)}
    assert len(tables) >= 5
    assert {table for table in tables if f"`{table}`" not in _text("design")} == set()


def test_a_stored_picture_follows_the_theme() -> None:
    image = base64.b64encode(SVG.encode()).decode()
    inside = packed(two_nodes())
    html = pictures(
        f'<b>before</b><img alt="" data-inside="{inside}" src="data:image/svg+xml;base64,{image}"><b>after</b>'
    )
    assert html.startswith("<b>before</b><div ")
    assert html.endswith("<b>after</b>")
    assert html.count("var(--pn-background, #ffffff)") == 1
    for part in ('fill="var(--pn-link, #ffffff)"', 'stroke="var(--pn-line, #57606a)"', "var(--pn-text, #1b1f24)"):
        assert part in html


def test_what_clicks_show_is_data_in_the_page() -> None:
    state = replace(two_nodes()["pod-a"], name="</script>")
    inside, image = packed(Snapshot((state,))), base64.b64encode(SVG.encode()).decode()
    html = pictures(f'<img alt="" data-inside="{inside}" src="data:image/svg+xml;base64,{image}">')
    (data,) = re.findall(r'<script type="application/json">(.*?)</script>', html)
    assert json.loads(data) == unpacked(inside)
    assert "</script>/eth0" in json.loads(data)
    assert "<script" not in pictures(f'<img alt="a walk" src="data:image/svg+xml;base64,{image}">')


def test_every_picture_of_a_network_that_a_chapter_stored_answers_clicks() -> None:
    pictured = 0
    for path in sorted((CLONE / "notebooks").glob("[0-9]*.ipynb")):
        for cell in page(path).cells:
            if cell.source.endswith("Topology()") and "no namespaces" not in cell.outputs[-1].data["text/plain"]:
                pictured += 1
                assert '<script type="application/json">' in cell.outputs[-1].data["text/html"], (path.name, cell.id)
    assert pictured > 20


def test_no_picture_of_any_chapter_keeps_colours_of_one_theme() -> None:
    drawn = 0
    for path in sorted((CLONE / "notebooks").glob("[0-9]*.ipynb")):
        for cell in page(path).cells:
            for output in cell.get("outputs", []):
                html = output.get("data", {}).get("text/html", "")
                assert "image/svg+xml" not in html
                drawn += html.count("<svg")
                assert not re.search(r'<svg.*(?:fill|stroke)="#.*</svg>', html)
    assert drawn > 20


def test_every_chapter_says_below_its_title_that_it_is_a_recording() -> None:
    for path in sorted((CLONE / "notebooks").glob("[0-9]*.ipynb")):
        title, note, *_ = page(path).cells[0].source.split("\n\n")
        assert title.startswith("# ")
        assert note.startswith("```{note}\nThis page is a recording."), path.name


def test_no_sentence_becomes_a_list_because_it_begins_with_a_number() -> None:
    for path in sorted((CLONE / "notebooks").glob("[0-9]*.ipynb")):
        for cell in page(path).cells:
            if cell.cell_type == "markdown":
                assert not re.search(r"^\d\d+[.)] ", cell.source, re.M), (path.name, cell.id)


def test_what_answers_a_prediction_is_folded_and_nothing_else() -> None:
    cells = page(CLONE / "notebooks/01-network-namespaces.ipynb").cells
    folded = [number for number, cell in enumerate(cells) if "hide-output" in cell.metadata.get("tags", [])]
    assert len(folded) >= 5
    assert all("**Predict.**" in cells[number - 1].source for number in folded)


def test_the_dark_colours_are_those_of_the_live_picture() -> None:
    assert all(f"--pn-{name}: {colour};" in dark_style() for name, colour in DARK.items())


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ('<a href="other.html">', None),
        ('<a href="other.html#here">', None),
        ('<a href="#top">', None),
        ('<a href="https://kubernetes.io/docs">', None),
        ('<img src="data:image/png;base64,AA==">', None),
        ('<a href="other.html#nowhere">', "no such place"),
        ('<a href="#nowhere">', "no such place"),
        ('<a href="gone.html">', "no such file"),
        ('<img src="gone.png">', "no such file"),
        ('<script src="https://cdn.example/x.js">', "not part of the site"),
        ('<link href="//cdn.example/x.css">', "not part of the site"),
    ],
)
def test_links_that_lead_nowhere_are_found(link: str, complaint: str | None, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text(f'<p id="top">{link}</p>')
    (tmp_path / "other.html").write_text('<h1 id="here">other</h1>')
    found = list(wrong_links(tmp_path))
    if complaint is None:
        assert found == []
    else:
        assert [complaint in one for one in found] == [True]


def test_a_sentence_with_a_colon_is_no_type() -> None:
    sentences = runpy.run_path(str(DOCS / "conf.py"))["sentences"]
    for taken_apart, whole in (
        ([":returns: of the call", ":rtype: seconds"], [":returns: seconds: of the call"]),
        ([":param a: b", ":rtype: seconds"], [":param a: b", ":returns: seconds"]),
        (["what it is", "", ":type: its name"], ["its name: what it is", ""]),
        ([":param a: b", ":returns: c"], [":param a: b", ":returns: c"]),
    ):
        sentences(None, "function", "f", None, None, taken_apart)
        assert taken_apart == whole


def _text(name: str) -> str:
    (path,) = (folder / f"{name}.md" for folder in (DOCS, CLONE / "notebooks") if (folder / f"{name}.md").exists())
    return path.read_text()
