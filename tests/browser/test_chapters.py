"""Every chapter, run in JupyterLab as a learner runs it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from labhelpers.course import catalogue
from tests.browser.jupyterlab import Lab

FILES = [chapter.file for chapter in catalogue.CHAPTERS]


@pytest.mark.parametrize("file", FILES)
def test_all_cells_run(lab: Lab, file: str) -> None:
    lab.open(file)
    lab.run_all()
    assert lab.errors() == {}


def test_a_fresh_clone_shows_its_pictures_before_anything_is_run(lab: Lab) -> None:
    """Such a notebook is not trusted: JupyterLab shows no widget of it and no script."""
    lab.open("03-kubernetes-network-model.ipynb")
    image = lab.page.locator(".jp-OutputArea img[alt*='pod-a (pod)']").first
    image.scroll_into_view_if_needed()
    assert image.evaluate("image => image.complete && image.naturalWidth > 300")


def test_the_next_chapter_is_one_click_away(lab: Lab) -> None:
    lab.open("00-start-here.ipynb")
    lab.show("next")
    lab.page.get_by_role("link", name="01 · Network namespaces").last.click()
    lab.page.get_by_role("tab", name="01-network-namespaces.ipynb").wait_for()


@pytest.mark.parametrize("page", ["Glossary", "Cheat sheet"])
def test_the_pages_to_look_things_up_are_one_click_away(lab: Lab, page: str) -> None:
    lab.open("00-start-here.ipynb")
    lab.show("words")
    lab.page.get_by_role("link", name=page.lower(), exact=True).click()
    expect(lab.page.get_by_role("heading", name=page, exact=True)).to_be_visible(timeout=60_000)


def test_a_new_notebook_offers_only_kernels_with_a_guard(lab: Lab) -> None:
    lab.launcher()
    cards = lab.page.locator(".jp-LauncherCard[data-category='Notebook']")
    cards.first.wait_for()
    names = {card.inner_text().splitlines()[-1] for card in cards.all()}
    assert names == {"Pod networking (sandbox)", "Pod networking (your cluster)"}
