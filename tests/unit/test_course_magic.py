"""``%%ns``: how its line is read, and what it completes.  What it runs is tested in tests/netns."""

from __future__ import annotations

from typing import Any

import pytest
from IPython.core.completer import CompletionContext, IPCompleter
from IPython.core.interactiveshell import InteractiveShell

from labhelpers.course import magic
from labhelpers.errors import BadInput, ExpectationFailed, NotFound
from labhelpers.topology import NamespaceState, Snapshot

NAMES = ("host", "node-1", "pod-a", "pod-b")
LAB = Snapshot(tuple(NamespaceState(name, "host" if name == "host" else "pod", n) for n, name in enumerate(NAMES)))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    calls: list[tuple[str, str]] = []

    def fake(name: str, script: str) -> int:
        calls.append((name, script))
        return 1 if "false" in script else 0

    monkeypatch.setattr(magic, "run_in", fake)
    return calls


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Snapshot, "take", staticmethod(lambda: LAB))


NS: Any = magic.NsMagics(shell=None)


def test_a_line_and_a_cell_name_their_namespace(ran: list[tuple[str, str]]) -> None:
    NS.ns("pod-a ip route")
    NS.ns("pod-a", "ip link\nip route\n")
    NS.ns("  pod-a  ", "true")
    assert ran == [("pod-a", "ip route"), ("pod-a", "ip link\nip route\n"), ("pod-a", "true")]


def test_a_failure_is_an_error_only_with_check(ran: list[tuple[str, str]]) -> None:
    NS.ns("pod-a false")
    NS.ns("pod-a", "false")
    for line, cell in (("--check pod-a false", None), ("--check pod-a", "false"), ("pod-a --check", "false")):
        with pytest.raises(ExpectationFailed, match="exit status 1"):
            NS.ns(line, cell)
    assert len(ran) == 5


@pytest.mark.parametrize(
    ("line", "cell"), [("", None), ("", "ip a"), ("--check", None), ("pod-a", None), ("pod-a ip a", "ip a")]
)
def test_a_line_that_makes_no_sense_runs_nothing(line: str, cell: str | None, ran: list[tuple[str, str]]) -> None:
    with pytest.raises(BadInput):
        NS.ns(line, cell)
    assert ran == []


@pytest.mark.usefixtures("lab")
def test_an_unknown_namespace_is_answered_with_near_ones() -> None:
    with pytest.raises(NotFound, match=r"Did you mean pod-\w.*There are: host, node-1, pod-a, pod-b"):
        magic.run_in("pod-aa", "true")


def test_an_interrupt_is_one_word_and_still_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str, script: str) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(magic, "run_in", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        NS.ns("pod-a", "ping 10.0.1.11")
    assert isinstance(caught.value, magic.Stopped)
    assert caught.value._render_traceback_() == ["Stopped."]
    assert caught.value.__suppress_context__


def _completions(text: str) -> list[str]:
    """What is offered at the end of ``text``."""
    lines = text.split("\n")
    context = CompletionContext(
        token=lines[-1].split(" ")[-1].split("-")[-1],
        full_text=text,
        cursor_position=len(lines[-1]),
        cursor_line=len(lines) - 1,
        limit=None,
    )
    return [lines[-1].split(" ")[-1][: -len(context.token) or None] + one.text for one in _found(context)]


def _found(context: CompletionContext) -> list[Any]:
    return list(magic.complete(context)["completions"])


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("text", ["%%ns po", "%ns po", "%%ns --check po"])
def test_names_are_completed(text: str) -> None:
    assert _completions(text) == ["pod-a", "pod-b"]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("text", ["%%ns", "%ns"])
def test_nothing_is_offered_that_would_take_the_place_of_the_magic(text: str) -> None:
    assert _completions(text) == []


@pytest.mark.usefixtures("lab")
def test_the_sandbox_itself_is_offered_last() -> None:
    assert _completions("%%ns ") == ["node-1", "pod-a", "pod-b", "host"]


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize("text", ["%ns pod-a nft", "%%ns pod-a\nnft", "%%ns pod-a\nip link\nnft"])
def test_commands_are_completed_in_line_and_cell(text: str) -> None:
    assert _completions(text) == ["nft list ruleset"]


@pytest.mark.usefixtures("lab")
def test_other_cells_are_left_alone() -> None:
    assert _completions("import po") == []
    assert "suppress" not in magic.complete(
        CompletionContext(token="po", full_text="x\n%%ns po", cursor_position=7, cursor_line=1, limit=None)
    )


def test_loading_twice_adds_one_completer() -> None:
    shell = InteractiveShell.instance()
    magic.load()
    magic.load()
    completer: IPCompleter = shell.Completer
    assert completer.custom_matchers.count(magic.complete) == 1
    assert "ns" in shell.magics_manager.magics["line"]
