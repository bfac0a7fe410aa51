"""The site, built as ``make site`` does and opened as files: both themes, clicks, steps of a walk, paper."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from tests.browser.jupyterlab import CHROMIUM_OPTIONS, chromium
from tools.site import build

A_CHAPTER = "chapters/06-same-node-across-nodes.html"
WIDTH = 1280
PHONE = 390
PAPER = 718  # pixels: A4 without margins of 10 mm


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    assert build(folder) == []
    return folder


@pytest.fixture(scope="module")
def program() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_OPTIONS)
        yield started
        started.close()


@pytest.fixture(params=["light", "dark"])
def reader(program: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    context = program.new_context(
        viewport={"width": WIDTH, "height": 1000}, color_scheme=request.param, reduced_motion="reduce"
    )
    yield context
    context.close()


@pytest.fixture
def page(reader: BrowserContext) -> Iterator[Page]:
    """A page.  Afterwards nothing was asked of any other machine, and nobody complained."""
    complaints: list[str] = []
    opened = reader.new_page()
    opened.set_default_timeout(60_000)
    opened.on("pageerror", lambda error: complaints.append(f"exception: {error}"))
    opened.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    opened.on("requestfailed", lambda asked: complaints.append(f"not there: {asked.url}"))
    opened.on(
        "request",
        lambda asked: None if asked.url.startswith(("file:", "data:")) else complaints.append(f"asked: {asked.url}"),
    )
    yield opened
    assert complaints == []


def opened(page: Page, site: Path, name: str) -> Page:
    page.goto((site / name).as_uri())
    return page


def topology(page: Page) -> Locator:
    return page.locator(".pn-stored:not(.pn-player)").first


def test_the_first_page_leads_to_every_chapter(page: Page, site: Path) -> None:
    opened(page, site, "index.html")
    links = page.locator("article a[href^='chapters/']")
    assert links.count() == len(list((site / "chapters").glob("*.html"))) >= 12
    links.first.click()
    expect(page.get_by_role("heading", name="00 · Start here").first).to_be_visible()


@pytest.mark.parametrize("name", ["index.html", A_CHAPTER, "cheat-sheet.html", "reference.html", "design.html"])
def test_nothing_is_wider_than_the_window(page: Page, site: Path, name: str) -> None:
    opened(page, site, name)
    for width in (WIDTH, PHONE):
        page.set_viewport_size({"width": width, "height": 1000})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", [A_CHAPTER, "cheat-sheet.html", "design.html"])
def test_on_paper_nothing_is_cut_off_or_covered(page: Page, site: Path, name: str) -> None:
    """Paper cannot be scrolled: each table ends inside the page, and what is fixed to the window is gone."""
    opened(page, site, name)
    page.set_viewport_size({"width": PAPER, "height": 1000})
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tables = page.locator("article table:visible")
    assert tables.count() > 0
    ends = tables.evaluate_all("tables => tables.map(table => table.getBoundingClientRect().right)")
    assert max(ends) <= PAPER
    expect(page.locator(".skip-to-content")).to_be_hidden()


def test_on_a_phone_the_picture_is_pushed_to_the_packet(page: Page, site: Path) -> None:
    page.set_viewport_size({"width": PHONE, "height": 800})
    opened(page, site, A_CHAPTER)
    page.locator("details:has(.pn-player) > summary").first.click()
    player = page.locator(".pn-player").first
    for _ in range(10):
        player.get_by_role("button", name="Step").click()
    here = player.locator(".pn-box.pn-here")
    expect(here).to_have_attribute("data-id", "pod-c/eth0")
    expect(here.locator("rect")).to_be_in_viewport(ratio=0.99)


def test_a_click_on_a_box_says_what_the_kernel_said(page: Page, site: Path) -> None:
    picture = topology(opened(page, site, A_CHAPTER))
    box = picture.locator('[data-id="pod-a"]')
    expect(box).to_be_visible()
    box.locator(":scope > text").first.click()
    panel = picture.get_by_role("region", name="What was clicked")
    expect(panel.get_by_role("heading", name="pod pod-a")).to_be_visible()
    cable = panel.get_by_role("table", name="Interfaces").get_by_role("row").filter(has_text="eth0")
    expect(cable).to_contain_text("10.0.1.10/24")
    picture.locator('[data-id="node-1 routing"]').focus()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("table", name="Routes").get_by_role("row").filter(has_text="default")).to_contain_text(
        "192.168.1.1"
    )
    picture.locator('[data-id="node-1/cni0"] > text').first.click()
    expect(panel.get_by_role("table", name="Forwarding database (FDB)")).to_contain_text("veth-pod-a")


def test_a_walk_can_be_stepped_through_and_played(page: Page, site: Path) -> None:
    player = opened(page, site, A_CHAPTER).locator(".pn-player").first
    expect(player).to_be_hidden()  # it answers a prediction
    page.locator("details:has(.pn-player) > summary").first.click()
    where, here = player.get_by_role("status"), player.locator(".pn-box.pn-here")
    player.get_by_role("button", name="Step").click()
    expect(where).to_contain_text("request, hop 1: pod-a/eth0")
    expect(here).to_have_attribute("data-id", "pod-a/eth0")
    player.get_by_role("button", name="Step").click()
    expect(here).to_have_attribute("data-id", "node-1/veth-pod-a")
    player.get_by_role("button", name="Last").click()
    expect(where).to_contain_text("reply, hop")
    expect(here).to_have_attribute("data-id", "pod-a/eth0")
    page.keyboard.press("Home")
    expect(where).to_contain_text("request, hop 1:")
    player.get_by_role("button", name="Play").click()
    expect(where).to_contain_text("hop 2:")
    player.get_by_role("button", name="Pause").click()


def test_the_picture_has_the_colours_of_the_theme(page: Page, site: Path, request: pytest.FixtureRequest) -> None:
    opened(page, site, A_CHAPTER)
    card = topology(page).locator("svg > rect").first
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    colour = "element => getComputedStyle(element).fill"
    assert card.evaluate(colour) == ("rgb(17, 20, 24)" if dark else "rgb(255, 255, 255)")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.emulate_media(media="print")
    assert card.evaluate(colour) == "rgb(255, 255, 255)", "paper is white"
    expect(page.locator(".pn-controls").first).to_be_hidden()
    expect(page.locator(".sidebar-drawer")).to_be_hidden()
