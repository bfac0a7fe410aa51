"""The live flow log: a line and a card come by themselves, what is dropped is marked, and it can be held still."""

from __future__ import annotations

from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.jupyterlab import Lab, Server, a_page
from tools.notebooks import METADATA

START = "from labhelpers import checkpoint, observe\nlab = checkpoint('03')\nflows = observe(follow=True)\nflows"


@pytest.fixture(scope="module")
def lab(server: Server, browser: BrowserContext) -> Iterator[Lab]:
    cell = nbformat.v4.new_code_cell(START, id="flows")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=METADATA), server.notebooks / "flows.ipynb")
    with a_page(browser, server) as opened:
        opened.open("flows.ipynb")
        opened.run_all()
        yield opened


def test_flows_come_by_themselves_and_can_be_held_still(lab: Lab) -> None:
    log = lab.page.locator(".pn-flow-log").first
    newest = log.get_by_role("region", name="Newest flows")
    expect(log.get_by_text("no flows yet")).to_be_visible()
    lab.type_into_new_cell("assert lab['pod-a'].ping(lab['pod-c']); print('sent')")
    expect(newest.get_by_role("row", name="pod-a pod-c ICMP forwarded").first).to_be_visible()
    expect(log.locator("svg").get_by_text("ICMP: 1× forwarded", exact=True)).to_be_visible()
    log.get_by_role("button", name="Hold still").click()
    lab.type_into_new_cell("lab['pod-a'].connect(lab['pod-c'], 81); flows.stop(); print('stopped')")
    expect(lab.page.get_by_text("stopped", exact=True)).to_be_visible()
    expect(newest.get_by_role("row", name="TCP 81")).to_have_count(0)
    log.get_by_role("button", name="Go on").click()
    expect(newest.get_by_role("row", name="TCP 81").first).to_be_visible()
    expect(log.get_by_role("status")).to_contain_text("it has ended")
