"""The live picture: click a pod, change the kernel from outside, both themes, no mouse."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from tests.browser.jupyterlab import Lab, Server, a_page
from tools.notebooks import METADATA

START = "from labhelpers import Topology, checkpoint\nlab = checkpoint('03')\nTopology()"


@pytest.fixture(scope="module")
def lab(server: Server, browser: BrowserContext) -> Iterator[Lab]:
    """One notebook with a picture of two nodes; what a test changes it changes back."""
    cell = nbformat.v4.new_code_cell(START, id="picture")
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=METADATA), server.notebooks / "picture.ipynb")
    with a_page(browser, server) as opened:
        opened.open("picture.ipynb")
        opened.run_all()
        yield opened


@pytest.fixture
def picture(lab: Lab) -> Locator:
    shown = lab.page.locator(".pn-root").first
    shown.locator("svg").wait_for()
    return shown


def box(picture: Locator, id: str) -> Locator:
    return picture.locator(f'[data-id="{id}"]')


def in_sandbox(lab: Lab, *command: str) -> None:
    """Run a command where the notebook lives, from outside, as ``pod-shell`` does."""
    (init,) = lab.server.sandboxes()
    user = ["--user", "--preserve-credentials"]
    same = subprocess.run(["cmp", "-s", f"/proc/{init}/ns/user", "/proc/self/ns/user"], check=False).returncode == 0
    enter = ["nsenter", f"--target={init}", *([] if same else user), "--net", "--mount", "--pid"]
    subprocess.run([*enter, *command], check=True)


def test_a_click_on_a_pod_shows_its_routes(picture: Locator) -> None:
    box(picture, "pod-a").locator(":scope > text").first.click()
    panel = picture.get_by_role("region", name="What was clicked")
    expect(panel.get_by_role("heading", name="pod pod-a")).to_be_visible()
    routes = panel.locator("table", has_text="Routes")
    expect(routes.get_by_role("row", name="default 10.0.1.1 eth0")).to_be_visible()


def test_what_was_clicked_is_known_in_python(lab: Lab, picture: Locator) -> None:
    box(picture, "node-1/cni0").click()
    lab.type_into_new_cell("print('chosen:', _.selected)")
    expect(lab.page.get_by_text("chosen: node-1/cni0")).to_be_visible()


def test_the_picture_follows_a_change_from_outside(lab: Lab, picture: Locator) -> None:
    in_sandbox(lab, "ip", "-n", "node-1", "link", "set", "cni0", "down")
    expect(box(picture, "node-1/cni0").get_by_text("DOWN")).to_be_visible()
    expect(picture.get_by_role("status")).to_contain_text("cni0")
    in_sandbox(lab, "ip", "-n", "node-1", "link", "set", "cni0", "up")
    expect(box(picture, "node-1/cni0").get_by_text("DOWN")).to_have_count(0)
    in_sandbox(lab, "ip", "netns", "add", "stranger")
    expect(box(picture, "stranger")).to_be_visible()
    in_sandbox(lab, "ip", "netns", "delete", "stranger")
    expect(box(picture, "stranger")).to_have_count(0)


def test_it_works_without_a_mouse(lab: Lab, picture: Locator) -> None:
    box(picture, "pod-b").focus()
    lab.page.keyboard.press("Enter")
    panel = picture.get_by_role("region", name="What was clicked")
    expect(panel.get_by_role("heading", name="pod pod-b")).to_be_visible()
    lab.page.keyboard.press("ArrowRight")
    focused = lab.page.evaluate("document.activeElement.dataset.id")
    assert focused not in (None, "pod-b")
    lab.page.keyboard.press("Escape")
    expect(panel).to_contain_text("Click a box")
    assert lab.errors() == {}, "the keys were not taken for commands of the notebook"


def test_what_is_focused_stays_focused_when_the_picture_is_drawn_again(lab: Lab, picture: Locator) -> None:
    box(picture, "pod-b").focus()
    in_sandbox(lab, "ip", "-n", "node-1", "link", "set", "cni0", "down")
    expect(box(picture, "node-1/cni0").get_by_text("DOWN")).to_be_visible()
    assert lab.page.evaluate("document.activeElement.dataset.id") == "pod-b"
    in_sandbox(lab, "ip", "-n", "node-1", "link", "set", "cni0", "up")
    expect(box(picture, "node-1/cni0").get_by_text("DOWN")).to_have_count(0)


def test_every_box_has_a_name_for_screen_readers(picture: Locator) -> None:
    names = picture.locator(".pn-box").evaluate_all("boxes => boxes.map(box => box.getAttribute('aria-label'))")
    assert len(names) > 15
    assert all(names)
    expect(picture.get_by_role("button", name="Pod pod-a, 10.0.1.10/24")).to_be_visible()


def _luminance(rgb: str) -> float:
    channels = [int(part) / 255 for part in rgb.removeprefix("rgb(").rstrip(")").split(",")]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_can_be_read_in_both_themes(lab: Lab, picture: Locator, theme: str) -> None:
    lab.choose_theme(theme)
    pairs, background = lab.page.evaluate(
        """() => {
            const svg = document.querySelector('.pn-root svg');
            const fill = part => getComputedStyle(part).fill;
            const pairs = [...svg.querySelectorAll('.pn-box')].flatMap(box => [...box.querySelectorAll(':scope > text')]
                .map(text => [fill(text), fill(box.querySelector(':scope > rect'))]));
            return [pairs, fill(svg.querySelector(':scope > rect'))];
        }"""
    )
    assert len(pairs) > 30
    for text, fill in pairs:
        light, dark = sorted((_luminance(text), _luminance(fill)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, fill)
    assert (_luminance(background) > 0.5) == theme.endswith("Light")


def test_words_stay_inside_their_boxes_in_the_browser_s_own_font(picture: Locator) -> None:
    outside = picture.locator(".pn-box").evaluate_all(
        """boxes => boxes.flatMap(box => {
            const around = box.querySelector(':scope > rect').getBBox();
            return [...box.querySelectorAll(':scope > text')].filter(text => {
                const words = text.getBBox();
                return words.x < around.x - 1 || words.x + words.width > around.x + around.width + 1;
            }).map(text => `${box.dataset.id}: ${text.textContent}`);
        })"""
    )
    assert outside == []


def test_the_commands_that_made_it_can_be_opened(picture: Locator) -> None:
    picture.get_by_text("The commands that made what is new").click()
    expect(picture.locator("pre")).to_contain_text("ip netns add pod-a")


def test_after_a_restart_the_picture_says_that_its_network_is_gone(lab: Lab, picture: Locator) -> None:
    lab.restart()
    expect(picture.get_by_role("status")).to_have_text(
        "This network is gone: the notebook's kernel has ended. Run the cell again."
    )
    lab.show("picture")
    lab.page.keyboard.press("Shift+Enter")
    expect(picture.get_by_role("status")).to_have_text("")
    expect(box(picture, "pod-a")).to_be_visible()


def test_an_empty_lab_is_said_and_offers_nothing_to_click(lab: Lab, picture: Locator) -> None:
    lab.type_into_new_cell("lab.reset()\nTopology()")
    empty = lab.page.locator(".pn-root").last
    expect(empty.get_by_text("no namespaces: the lab is empty")).to_be_visible()
    expect(empty.get_by_text("Click a box")).to_have_count(0)


def test_saved_and_opened_again_it_answers_though_its_kernel_is_gone(lab: Lab, picture: Locator) -> None:
    lab.page.keyboard.press("Control+s")
    lab.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    lab.page.goto("about:blank")
    lab.server.shut_down()
    lab.open("picture.ipynb")
    box(picture, "pod-c").locator(":scope > text").first.click()
    expect(picture.get_by_role("heading", name="pod pod-c")).to_be_visible()
