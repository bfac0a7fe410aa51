"""Errors: a tree that is drawn as it is, two sentences each, and a fitting branch for every refusal of the kernel."""

from __future__ import annotations

import errno
import inspect
import re

import pytest

from labhelpers import errors
from labhelpers.errors import AlreadyExists, BadInput, ExpectationFailed, LabError, NeedsPrivilege, NotFound, Vanished
from labhelpers.linux.explain import refused

CLASSES = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}


def _drawn() -> dict[str, str]:
    """The tree of the module's docstring: each name with the one it hangs on."""
    found: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"( {4}(?:[│ ]   )*)(?:[├└]── )?([A-Z]\w+) {2,}\S", line)
        if match:
            depth = (match.start(2) - 4) // 4
            found[match[2]] = above[depth - 1] if depth else ""
            above[depth:] = [match[2]]
    return found


def test_the_tree_is_drawn_as_it_is() -> None:
    real = {name: value.__mro__[1].__name__ for name, value in CLASSES.items()}
    assert _drawn() == {**real, "LabError": ""}


def test_all_of_it_is_public_and_explained() -> None:
    assert set(errors.__all__) == set(CLASSES)
    assert all(value.__doc__ for value in CLASSES.values())


def test_an_error_is_two_sentences() -> None:
    error = BadInput("This happened.", "Do that.")
    assert str(error) == "This happened. Do that."
    assert (error.what, error.to_do) == ("This happened.", "Do that.")
    assert error._render_traceback_() == ["BadInput: This happened.", "  What to do: Do that."]
    assert str(LabError("This happened.")) == "This happened."


def test_the_refused_command_is_shown_once() -> None:
    inside = LabError("It is there: `ip link`.", "Go on.", command="ip link")
    assert inside._render_traceback_() == ["LabError: It is there: `ip link`.", "  What to do: Go on."]
    beside = LabError("It is there.", command="ip link")
    assert beside._render_traceback_()[-1] == "  The command that was refused: ip link"


def test_what_is_expected_and_what_is_seen_is_an_assertion_too() -> None:
    error = ExpectationFailed("a door", "a wall", "Somebody built it.")
    assert isinstance(error, AssertionError)
    assert str(error) == "Expected a door, saw a wall. Somebody built it."
    assert (error.expected, error.seen, error.likely_cause) == ("a door", "a wall", "Somebody built it.")


def test_what_has_vanished_is_not_found() -> None:
    with pytest.raises(NotFound):
        raise Vanished("It is gone.", "Make it again.")


@pytest.mark.parametrize("code", sorted(errno.errorcode))
def test_every_refusal_of_the_kernel_is_words_and_the_command(code: int) -> None:
    for said in ("", "Some words of the kernel's own."):
        error = refused(code, said, "ip link add eth0")
        assert isinstance(error, LabError)
        assert error.errno == code
        assert error.command == "ip link add eth0"
        assert error.what.endswith(": `ip link add eth0`.")
        assert error.to_do.endswith(".")
        assert errno.errorcode[code] not in str(error), "a name only programmers know"
        assert "Errno" not in str(error)
        if said:
            assert error.what.startswith("Some words of the kernel's own: ")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EEXIST, AlreadyExists),
        (errno.ENODEV, NotFound),
        (errno.EPERM, NeedsPrivilege),
        (errno.EINVAL, BadInput),
        (errno.ENETUNREACH, BadInput),
        (errno.EOPNOTSUPP, errors.KernelFeatureMissing),
        (errno.ENOBUFS, errors.KernelRefused),
    ],
)
def test_a_refusal_is_of_the_kind_that_fits(code: int, kind: type[LabError]) -> None:
    assert type(refused(code, "", "ip link")) is kind
