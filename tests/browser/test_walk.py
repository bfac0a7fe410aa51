"""The packet walk in JupyterLab: step through it, read the headers off the page, with and without a mouse."""

from __future__ import annotations

import re
from collections.abc import Iterator

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from labhelpers.views.walk_html import COLOURS, walk_html
from tests.browser.jupyterlab import Lab, Server, a_page
from tests.samples.walks import dead, through_vxlan
from tools.notebooks import METADATA

START = """from labhelpers import Player, checkpoint, walk
from labhelpers.networks.route import Vxlan
lab = checkpoint('06')
carrier = Vxlan(lab)
Player(walk('pod-a', 'pod-c'))"""
OUTER = ["192.168.1.10", "→ 192.168.1.11", "TTL 64"]


def write(server: Server, file: str, *cells: nbformat.NotebookNode) -> None:
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells), metadata=METADATA), server.notebooks / file)


@pytest.fixture(scope="module")
def lab(server: Server, browser: BrowserContext) -> Iterator[Lab]:
    """A notebook with a walk from node to node through VXLAN."""
    write(server, "walk.ipynb", nbformat.v4.new_code_cell(START, id="walk"))
    with a_page(browser, server) as opened:
        opened.open("walk.ipynb")
        opened.run_all()
        assert opened.errors() == {}
        yield opened


@pytest.fixture
def player(lab: Lab) -> Locator:
    shown = lab.page.locator(".pn-player").first
    shown.locator("svg").wait_for()
    first = shown.get_by_role("button", name="First")
    if first.is_enabled():
        first.click()
    return shown


def words(player: Locator) -> Locator:
    return player.get_by_role("status")


def headers(player: Locator) -> list[list[str]]:
    """The boxes from the outermost to the innermost, each with its lines."""
    return [
        box.inner_text().splitlines() for box in player.get_by_role("group", name="Headers").locator(".pn-header").all()
    ]


def here(player: Locator) -> Locator:
    return player.locator(".pn-box.pn-here")


def step_to(player: Locator, place: str, *, most: int = 12) -> None:
    for _ in range(most):
        if re.search(f" {re.escape(place)} ", words(player).inner_text()):
            return
        player.get_by_role("button", name="Step").click()
    raise AssertionError(f"the packet does not come to {place}")


def test_the_outer_header_is_read_off_the_page(player: Locator) -> None:
    expect(words(player)).to_contain_text("Request, hop 1 of 12")
    assert [box[0] for box in headers(player)] == ["Ethernet", "IPv4", "ICMP"]
    step_to(player, "node-1/eth0")
    assert [box[0] for box in headers(player)] == ["Ethernet", "IPv4", "UDP", "VXLAN", "Ethernet", "IPv4", "ICMP"]
    _, outer, udp, vxlan, _, inner, icmp = headers(player)
    assert outer[1:] == OUTER
    assert udp[1:] == ["port 8472"]
    assert vxlan[1:] == ["vni 1"]
    assert inner[1:] == ["10.0.1.10", "→ 10.0.2.10", "TTL 63"]
    assert icmp[1:] == ["echo request"]
    added = player.locator(".pn-header.pn-added b").all_inner_texts()
    assert added == ["Ethernet", "IPv4", "UDP", "VXLAN"]
    expect(words(player)).to_contain_text("encapsulated in VXLAN vni 1, UDP port 8472, 192.168.1.10 → 192.168.1.11")
    expect(player.locator(".pn-inside .pn-header b")).to_have_text(["Ethernet", "IPv4", "ICMP"])


def test_what_a_router_changed_is_marked(player: Locator) -> None:
    step_to(player, "node-1/flannel.1")
    marked = player.locator(".pn-header mark").all_inner_texts()
    assert len(marked) == 3
    assert marked[-1] == "TTL 63"
    expect(words(player)).to_contain_text("TTL 64 → 63")


def test_the_interface_and_the_cable_are_marked_in_the_picture(player: Locator) -> None:
    expect(here(player)).to_have_attribute("data-id", "pod-a/eth0")
    player.get_by_role("button", name="Step").click()
    expect(here(player)).to_have_attribute("data-id", "node-1/veth-pod-a")
    cable = player.locator(".pn-wire.pn-here")
    expect(cable).to_have_attribute("data-a", "pod-a/eth0")
    expect(cable).to_have_attribute("data-b", "node-1/veth-pod-a")
    assert _distance(player) < 30


def _distance(player: Locator) -> float:
    """Pixels from the middle of the packet to the nearest point of the box that it is at."""
    found: float = player.evaluate(
        """player => {
            const dot = player.querySelector('.pn-dot').getBoundingClientRect();
            const box = player.querySelector('.pn-box.pn-here > rect').getBoundingClientRect();
            const [x, y] = [dot.x + dot.width / 2, dot.y + dot.height / 2];
            const beside = (at, low, high) => Math.max(low - at, 0, at - high);
            return Math.hypot(beside(x, box.left, box.right), beside(y, box.top, box.bottom));
        }"""
    )
    return found


def test_at_every_hop_the_packet_is_at_its_box(player: Locator) -> None:
    frames = player.get_by_role("group", name="All hops").get_by_role("button").count()
    assert frames == 25, "twelve there, twelve back, and how it ended"
    for _ in range(frames - 2):
        assert _distance(player) < 2
        player.get_by_role("button", name="Step").click()
    expect(words(player)).to_contain_text("Reply, hop 12 of 12")
    player.get_by_role("button", name="Step").click()
    expect(words(player)).to_contain_text("How it ended")
    expect(words(player)).to_contain_text("Answered by 10.0.2.10")
    expect(player.get_by_role("button", name="Step")).to_be_disabled()


def test_back_and_last_and_a_click_on_a_hop(player: Locator) -> None:
    player.get_by_role("button", name="Last").click()
    player.get_by_role("button", name="Back").click()
    expect(here(player)).to_have_attribute("data-id", "pod-a/eth0")
    player.get_by_role("group", name="All hops").get_by_role("button", name="5. node-1/eth0 →").click()
    expect(words(player)).to_contain_text("Request, hop 5 of 12")
    assert headers(player)[1][1:] == OUTER


def test_a_click_on_a_box_goes_to_the_next_visit_there(player: Locator) -> None:
    box = player.locator('[data-id="node-2/cni0"] > text').first
    box.click()
    expect(words(player)).to_contain_text("Request, hop 10 of 12")
    box.click()
    expect(words(player)).to_contain_text("Reply, hop 3 of 12")


def test_it_works_with_the_keyboard_alone(lab: Lab, player: Locator) -> None:
    player.focus()
    for key, expected in (
        ("ArrowRight", "Request, hop 2 of 12"),
        ("ArrowRight", "Request, hop 3 of 12"),
        ("ArrowLeft", "Request, hop 2 of 12"),
        ("End", "How it ended"),
        ("Home", "Request, hop 1 of 12"),
    ):
        lab.page.keyboard.press(key)
        expect(words(player)).to_contain_text(expected)
    player.get_by_role("slider", name="Hop").focus()
    lab.page.keyboard.press("ArrowRight")
    expect(words(player)).to_contain_text("Request, hop 2 of 12")
    assert lab.errors() == {}, "the keys were not taken for commands of the notebook"
    assert lab.page.locator(".jp-Notebook .jp-CodeCell").count() == 1


def test_keys_go_on_working_after_a_button_that_is_of_no_use_any_more(lab: Lab, player: Locator) -> None:
    player.get_by_role("button", name="Last").click()
    expect(player.get_by_role("button", name="Last")).to_be_disabled()
    lab.page.keyboard.press("ArrowLeft")
    expect(words(player)).to_contain_text("Reply, hop 12 of 12")


def test_it_plays_and_pauses(lab: Lab, player: Locator) -> None:
    player.focus()
    lab.page.keyboard.press("Space")
    expect(player.get_by_role("button", name="Pause")).to_be_visible()
    expect(words(player)).to_contain_text("Request, hop 3 of 12")
    lab.page.keyboard.press("Space")
    expect(player.get_by_role("button", name="Play")).to_be_visible()
    told = words(player).inner_text()
    lab.page.wait_for_timeout(2000)  # longer than a frame stays
    assert words(player).inner_text() == told


def test_after_its_last_frame_it_has_stopped(player: Locator) -> None:
    player.get_by_role("group", name="All hops").get_by_role("button").nth(23).click()
    player.get_by_role("button", name="Play").click()
    expect(words(player)).to_contain_text("How it ended")
    expect(player.get_by_role("button", name="Play")).to_be_visible()


def test_python_knows_and_sets_the_frame(lab: Lab, player: Locator) -> None:
    player.get_by_role("button", name="Step").click()
    lab.type_into_new_cell("print('frame', _.position)\n_.position = 4")
    expect(lab.page.get_by_text("frame 1", exact=True)).to_be_visible()
    expect(words(player)).to_contain_text("Out of node-1/eth0")


def _contrast(foreground: str, background: str) -> float:
    def luminance(rgb: str) -> float:
        channels = [int(part) / 255 for part in re.findall(r"\d+", rgb)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(foreground), luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", ["JupyterLab Dark", "JupyterLab Light"])
def test_it_can_be_read_in_both_themes(lab: Lab, player: Locator, theme: str) -> None:
    lab.choose_theme(theme)
    step_to(player, "node-1/flannel.1")
    pairs = player.evaluate(
        """player => {
            const ground = part => {
                for (; part; part = part.parentElement) {
                    const colour = getComputedStyle(part).backgroundColor;
                    if (!/, 0\\)$|transparent/.test(colour)) return colour;
                }
            };
            return [...player.querySelectorAll('h4, p, li, button:enabled, .pn-header b, .pn-header span, mark')]
                .map(part => [getComputedStyle(part).color, ground(part), part.textContent]);
        }"""
    )
    assert len(pairs) > 30
    for foreground, background, text in pairs:
        assert _contrast(foreground, background) >= 4.5, (text, foreground, background)


def test_a_walk_that_died_says_where_and_why(lab: Lab) -> None:
    lab.type_into_new_cell(
        "from labhelpers.linux import process\n"
        "process.run(lab['node-1']._kernel, ['ip', 'route', 'del', '10.0.2.0/24'])\n"
        "process.run(lab['node-1']._kernel, ['ip', 'route', 'del', 'default'])\n"
        "Player(walk('pod-a', 'pod-c'))"
    )
    expect(lab.page.locator(".pn-player")).to_have_count(2)
    player = lab.page.locator(".pn-player").last
    player.get_by_role("button", name="Last").click()
    expect(words(player)).to_contain_text("last seen at node-1/cni0")
    expect(words(player)).to_contain_text("node-1 has no route to 10.0.2.10.")
    expect(here(player)).to_have_attribute("data-id", "node-1/cni0")
    expect(player.locator(".pn-cross")).to_be_visible()


def test_a_notebook_that_is_not_trusted_shows_the_boxes(server: Server, browser: BrowserContext) -> None:
    """As in a fresh clone: JupyterLab takes scripts and much of the style away."""
    for name, made in (("vxlan", through_vxlan()), ("dead", dead())):
        output = nbformat.v4.new_output("execute_result", {"text/html": walk_html(made), "text/plain": "words"})
        cell = nbformat.v4.new_code_cell("walk", id=name, outputs=[output], execution_count=1)
        write(server, f"stored-{name}.ipynb", cell)
    with a_page(browser, server) as lab:
        lab.open("stored-vxlan.ipynb")
        shown = lab.page.locator(".jp-OutputArea table").first
        row = shown.locator("tr", has_text="encapsulated")
        grounds = row.locator("span:has(> b)").evaluate_all(
            "boxes => boxes.map(box => [box.firstChild.textContent, getComputedStyle(box).backgroundColor])"
        )
        assert [name for name, _ in grounds] == ["Ethernet", "IPv4", "UDP", "VXLAN", "Ethernet", "IPv4", "ICMP"]
        for name, colour in grounds:
            red, green, blue = (int(COLOURS[name][at : at + 2], 16) for at in (1, 3, 5))
            assert colour == f"rgb({red}, {green}, {blue})"
        expect(row).to_contain_text("→ 192.168.1.11")
        lab.open("stored-dead.ipynb")
        reason = lab.page.locator(".jp-OutputArea div", has_text="Last seen at node-1/cni0").last
        expect(reason).to_contain_text("node-1 has no route to 10.0.2.10.")
        assert reason.evaluate("box => getComputedStyle(box).borderLeftWidth") == "6px"
