"""A real JupyterLab server in a home of its own, and the pages that a browser sees of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.runner.stage import CLONE

__all__ = ["CHROMIUM_OPTIONS", "Lab", "Server", "a_page", "chromium", "serve"]

_TOKEN = "for-these-tests"
_PATIENCE = 60.0  # seconds until something must have happened on a busy machine
_A_CHAPTER = 420.0  # seconds for all cells of one: some make several clusters
CHROMIUM_OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def chromium() -> str:
    """The browser: one that was fetched for these tests, else Debian's."""
    fetched = CLONE / ".venv/bin/chromium"
    found = str(fetched) if fetched.exists() else shutil.which("chromium")
    assert found, "make test installs chromium; see the sentence that it printed"
    return found


class Server:
    """A running JupyterLab."""

    def __init__(self, url: str, notebooks: Path, process: subprocess.Popen[bytes]) -> None:
        self.url, self.notebooks, self.process = url, notebooks, process

    def shut_down(self) -> None:
        """End all kernels."""
        for session in json.load(self._ask("GET", "api/sessions")):
            self._ask("DELETE", f"api/sessions/{session['id']}").close()

    def _ask(self, method: str, path: str) -> Any:
        headers = {"Authorization": f"token {_TOKEN}"}
        return urllib.request.urlopen(urllib.request.Request(self.url + path, headers=headers, method=method))

    def sandboxes(self) -> list[int]:
        """Process ids of the sandboxes' inits below this server."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        supervisors = children.get(self.process.pid, [])
        return [init for supervisor in supervisors for init in children.get(supervisor, [])]


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Start JupyterLab as ``make lab`` does, on copies of the chapters, with nothing of the user's own settings."""
    notebooks = folder / "notebooks"
    shutil.copytree(CLONE / "notebooks", notebooks, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    home = folder / "home"
    home.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "XDG", "POD_"))}
    environment |= {"HOME": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home / "settings")}
    options = [
        *("--no-browser", "--ServerApp.port=0", "--ServerApp.allow_root=True", f"--ServerApp.root_dir={notebooks}"),
        *(f"--IdentityProvider.token={_TOKEN}", "--LabApp.extension_manager=readonly"),
        "--LabApp.expose_app_in_browser=True",  # cells that are scrolled away are not in the page, but in its model
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log, cwd=notebooks
        )
    try:
        yield Server(_address(process, home, folder / "server.log"), notebooks, process)
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def _address(process: subprocess.Popen[bytes], home: Path, log: Path) -> str:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        for file in home.glob(f".local/share/jupyter/runtime/jpserver-{process.pid}.json"):
            try:
                url: str = json.loads(file.read_text())["url"]
                urllib.request.urlopen(url + "api", timeout=2).close()
            except (OSError, ValueError):
                continue
            return url
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


class Lab:
    """One browser page with JupyterLab, and what went wrong in it."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        page.set_default_timeout(_PATIENCE * 1000)
        page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        if not url.startswith((self.server.url, self.server.url.replace("http", "ws"), "data:", "blob:")):
            self.complaints.append(f"a request to somewhere else: {url}")

    def open(self, notebook: str) -> None:
        """Open a chapter in an empty workspace and wait for its kernel."""
        self.page.goto(f"{self.server.url}lab/tree/{notebook}?reset&token={_TOKEN}")
        self.page.locator(".jp-Notebook").wait_for()
        self.wait_for_kernel()

    def launcher(self) -> None:
        """Open the page that offers new notebooks."""
        self.page.goto(f"{self.server.url}lab?reset&token={_TOKEN}")

    def wait_for_kernel(self) -> None:
        """Wait until the kernel is there and idle."""
        # the toolbar says "idle" before there is a kernel; the status bar names the kernel once it is there
        self.page.locator("#jp-main-statusbar").get_by_text("Pod networking (sandbox) | Idle").wait_for()

    def run_all(self) -> None:
        """Take the stored outputs away, run all cells, and wait until each has its number."""
        self._menu("Edit", "Clear Outputs of All Cells")
        self._menu("Run", "Run All Cells")
        self.page.wait_for_function(
            """() => {
                const cells = [...window.jupyterapp.shell.currentWidget.content.model.cells];
                return cells.filter(cell => cell.type === 'code').every(cell => cell.executionCount);
            }""",
            timeout=_A_CHAPTER * 1000,
        )

    def restart(self) -> None:
        """Restart the kernel as a learner does, and wait for the new one."""
        self._menu("Kernel", "Restart Kernel…")
        self.page.get_by_role("button", name="Confirm Kernel Restart").click()
        self.page.locator(".jp-Dialog").wait_for(state="detached")
        self.wait_for_kernel()

    def _menu(self, menu: str, entry: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(".lm-Menu-itemLabel").get_by_text(entry, exact=True).click()

    def errors(self) -> dict[str, str]:
        """Which cells raised, by id, but those that should."""
        found: dict[str, str] = self.page.evaluate(
            """() => {
                const found = {};
                for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells) {
                    const {id, metadata, outputs} = cell.sharedModel.toJSON();
                    const error = (outputs ?? []).find(output => output.output_type === 'error');
                    if (error && !(metadata.tags ?? []).includes('raises-exception')) found[id] = error.evalue;
                }
                return found;
            }"""
        )
        return found

    def show(self, cell: str) -> None:
        """Scroll to the cell with this id and make it the active one."""
        self.page.evaluate(
            """async id => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                const number = notebook.widgets.findIndex(cell => cell.model.id === id);
                notebook.activeCellIndex = number;
                await notebook.scrollToItem(number, 'start');
            }""",
            cell,
        )

    def choose_theme(self, name: str) -> None:
        """Settings, Theme, and the name."""
        self.page.get_by_role("menuitem", name="Settings", exact=True).click()
        self.page.locator(".lm-Menu-itemLabel", has_text="Theme").first.click()
        self.page.locator(".lm-Menu-itemLabel", has_text=name).first.click()
        light = "false" if "Dark" in name else "true"
        self.page.wait_for_function(
            f"() => document.body.dataset.jpThemeLight === '{light}'"
            " && getComputedStyle(document.body).getPropertyValue('--jp-layout-color1')"
        )

    def type_into_new_cell(self, text: str) -> None:
        """A learner's own cell at the end, run with Shift+Enter."""
        self.page.locator(".jp-Cell .jp-InputArea-editor").last.click()
        for key in ("Escape", "b", "Enter"):
            self.page.keyboard.press(key)
        self.page.keyboard.insert_text(text)
        self.page.keyboard.press("Shift+Enter")


@contextmanager
def a_page(browser: BrowserContext, server: Server) -> Iterator[Lab]:
    """A page of its own.  Afterwards nothing was asked of anybody but this server, and nobody complained."""
    page = browser.new_page()
    opened = Lab(page, server)
    try:
        yield opened
    except BaseException:
        page.close()
        raise
    page.close()
    server.shut_down()
    assert not opened.complaints, "\n".join(opened.complaints)
