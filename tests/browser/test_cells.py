"""What happens to a learner's own cells: completion, a command that does not end, a restart."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.jupyterlab import Lab, Server, a_page
from tools.notebooks import METADATA

START = "from labhelpers import checkpoint\nlab = checkpoint('03')"


@pytest.fixture(scope="module")
def lab(server: Server, browser: BrowserContext) -> Iterator[Lab]:
    """A notebook with two nodes, and a cell for the learner."""
    cells = [nbformat.v4.new_code_cell(START, id="start"), nbformat.v4.new_code_cell("# your turn", id="own")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), server.notebooks / "cells.ipynb")
    with a_page(browser, server) as opened:
        opened.open("cells.ipynb")
        opened.run_all()
        yield opened


def write(lab: Lab, *keys: str) -> None:
    """Empty the learner's cell, and type into it: a text, or the name of a key."""
    lab.page.locator(".jp-Cell .jp-InputArea-editor .cm-content").nth(1).click()
    lab.page.keyboard.press("Control+a")
    lab.page.keyboard.press("Delete")
    for key in keys:
        if key in ("Tab", "Enter", "Shift+Enter"):
            lab.page.keyboard.press(key)
        else:
            lab.page.keyboard.type(key)


def test_tab_behind_the_magic_offers_the_namespaces(lab: Lab) -> None:
    write(lab, "%%ns ", "Tab")
    offered = lab.page.locator(".jp-Completer-item")
    for name in ("node-1", "pod-a", "host"):
        expect(offered.filter(has_text=name)).to_have_count(1)
    lab.page.keyboard.press("Escape")


def test_tab_on_the_magic_leaves_it_there(lab: Lab) -> None:
    write(lab, "%%ns", "Tab")
    lab.page.wait_for_timeout(1000)
    if lab.page.locator(".jp-Completer-item").count():
        lab.page.keyboard.press("Enter")
    expect(lab.page.locator(".jp-Cell .cm-content").nth(1)).to_contain_text("%%ns")
    lab.page.keyboard.press("Escape")


def test_a_command_that_does_not_end_is_stopped_with_a_word(lab: Lab) -> None:
    write(lab, "%%ns pod-a\nping 10.0.1.11", "Shift+Enter")
    output = lab.page.locator(".jp-Cell").nth(1).locator(".jp-OutputArea")
    expect(output).to_contain_text("icmp_seq=1")
    lab.page.get_by_role("button", name="Interrupt the kernel").click()
    expect(output).to_contain_text("Stopped.")
    expect(output).not_to_contain_text("KeyboardInterrupt")
    expect(output).not_to_contain_text(".py")
