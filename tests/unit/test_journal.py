"""The journal: what was done, in order; what was undone is not in it."""

from __future__ import annotations

import pytest

from labhelpers.lab.journal import Commands, Journal


def test_commands_are_a_script() -> None:
    commands = Commands(["ip netns add red", "ip -n red link set lo up"])
    assert str(commands) == repr(commands) == "ip netns add red\nip -n red link set lo up"
    assert list(commands) == ["ip netns add red", "ip -n red link set lo up"]
    assert len(commands) == 2
    assert list(commands.about("lo")) == ["ip -n red link set lo up"]


def test_what_was_added_after_a_mark() -> None:
    journal = Journal()
    journal.add(["one"])
    mark = journal.mark()
    journal.add(["two", "three"])
    assert list(journal.since()) == ["one", "two", "three"]
    assert list(journal.since(mark)) == ["two", "three"]
    assert list(journal.since(journal.mark())) == []


def test_a_mark_outlives_a_reset() -> None:
    journal = Journal()
    journal.add(["one"])
    mark = journal.mark()
    journal.add(["two"])
    journal.clear()
    journal.add(["three"])
    assert list(journal.since(mark)) == ["three"]


def test_what_failed_is_forgotten_and_what_was_before_is_not() -> None:
    journal = Journal()
    journal.add(["one"])

    def fail() -> None:
        with journal.all_or_nothing():
            journal.add(["two"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with journal.all_or_nothing():
        journal.add(["three"])
    assert list(journal.since()) == ["one", "three"]
