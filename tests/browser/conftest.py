"""One JupyterLab and one browser for all tests; a page of its own for each."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, expect, sync_playwright
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.browser.jupyterlab import CHROMIUM_OPTIONS, Lab, Server, a_page, chromium, serve

expect.set_options(timeout=60_000)  # milliseconds; a busy machine


class _ByPage(LoadFileScheduling):
    """Tests of a file share a page and go to one worker; each chapter has its own, and goes to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return nodeid if file.endswith("test_chapters.py") else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _ByPage:
    return _ByPage(config, log)


@pytest.fixture(autouse=True)
def bounded() -> Iterator[None]:
    """Not every call to a browser has a time limit of its own."""

    def too_long(*_: object) -> None:
        raise TimeoutError("the browser did not answer for eight minutes")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(480)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("jupyterlab")) as running:
        yield running


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium(),
            args=CHROMIUM_OPTIONS,
            viewport={"width": 1280, "height": 1000},
            reduced_motion="reduce",
        )
        yield context
        context.close()


@pytest.fixture
def lab(server: Server, browser: BrowserContext) -> Iterator[Lab]:
    with a_page(browser, server) as opened:
        yield opened
