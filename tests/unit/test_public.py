"""What is public says so, exists, and says what it does."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from typing import Any

import pytest

import labhelpers
from labhelpers import topology
from labhelpers.linux.changes import Changes
from labhelpers.linux.namespace import NetworkNamespace
from labhelpers.linux.netlink import NetlinkSocket
from tests.unit.architecture import Module, modules

every_module = pytest.mark.parametrize("module", modules().values(), ids=modules().keys())
VOCABULARY = ("Lab", "Namespace", "Node", "Pod", "Veth", "Bridge")


def test_the_vocabulary_is_what_the_package_has_a_home_for() -> None:
    assert labhelpers.__all__ == sorted(labhelpers._HOME)
    assert dir(labhelpers) == labhelpers.__all__


@pytest.mark.parametrize("name", labhelpers.__all__)
def test_every_word_of_it_is_there_at_home(name: str) -> None:
    home = importlib.import_module(f"labhelpers.{labhelpers._HOME[name]}")
    # once labhelpers.doctor is imported, the attribute of this name is the module, which can be called
    assert getattr(labhelpers, name) in (getattr(home, name), home)
    assert callable(getattr(labhelpers, name))
    assert name in home.__all__


def test_type_checkers_are_told_the_same() -> None:
    told = {name: module.removeprefix("labhelpers.") for module, name, _ in modules()["labhelpers"].imports() if name}
    assert {name: told.get(name) for name in labhelpers._HOME} == labhelpers._HOME


def test_a_word_that_is_none_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'kubectl'"):
        labhelpers.kubectl  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    """The sandbox starts with it, and must stay small until it has moved."""
    assert modules()["labhelpers"].needs() == set()
    assert modules()["labhelpers.sandbox"].needs() == set()


@every_module
def test_what_is_exported_exists(module: Module) -> None:
    exported = module.exported
    if exported is None:
        return
    assert len(set(exported)) == len(exported)
    there = importlib.import_module(module.name)
    for name in exported:
        assert hasattr(there, name)


def _defined(module: Module) -> set[str]:
    """Public functions, classes and constants that a module defines, but ``main``, which only a program has."""
    found = set()
    for node in module.tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.name)
    return {name for name in found if not name.startswith("_") and name != "main"}


@every_module
def test_what_is_defined_for_others_is_exported(module: Module) -> None:
    """In the layers that others build on; above, what is not exported is the module's own."""
    if module.layer in ("errors", "linux", "lab", "topology", "conformance"):
        assert _defined(module) <= set(module.exported or ())


@every_module
def test_nobody_takes_what_is_not_offered(module: Module) -> None:
    for home, name, node in module.imports():
        if name and name != "__version__":
            assert name in (modules()[home].exported or ()), f"line {node.lineno}: {name} is not in {home}.__all__"


@pytest.mark.parametrize("package", ["lab", "topology", "conformance", "course", "views", "cni"])
def test_a_package_offers_what_its_modules_export(package: str) -> None:
    here = modules()[f"labhelpers.{package}"]
    offered = {name for home, name, _ in here.imports() if name}
    assert set(here.exported or ()) == offered


def _methods(owner: type) -> dict[str, Any]:
    return {
        f"{owner.__name__}.{name}": value
        for name, value in inspect.getmembers(owner, inspect.isfunction)
        if not name.startswith("_")
    }


HELPERS = {
    **{name: method for word in VOCABULARY for name, method in _methods(getattr(labhelpers, word)).items()},
    "Snapshot.take": topology.Snapshot.take,
    "checkpoint": labhelpers.checkpoint,
}


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_names_the_shell_command_or_says_that_it_changes_nothing(name: str) -> None:
    _assert_names_the_shell(HELPERS[name].__doc__)


def _verbs() -> dict[str, Any]:
    """Functions of the lowest layer that are handed a place in the kernel to act on or to read."""
    places = {one.__name__ for one in (Changes, NetlinkSocket, NetworkNamespace)}
    found = {}
    for module in modules().values():
        if module.layer != "linux":
            continue
        for node in module.tree.body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and node.args.args:
                annotation = node.args.args[0].annotation
                if isinstance(annotation, ast.Name) and annotation.id in places:
                    found[f"{module.name}.{node.name}"] = ast.get_docstring(node)
    return found


VERBS = _verbs()


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_names_the_shell_command_or_says_that_it_changes_nothing(name: str) -> None:
    _assert_names_the_shell(VERBS[name])


def test_the_verbs_are_found() -> None:
    assert {"labhelpers.linux.link.up", "labhelpers.linux.route.dump", "labhelpers.linux.process.run"} <= VERBS.keys()
    assert {"Lab.node", "Node.pod", "Bridge.add_port", "Veth.delete"} <= HELPERS.keys()


def _assert_names_the_shell(text: str | None) -> None:
    assert text
    shell = re.search(r"Shell: (``[^`]+``|see ``lab\.commands\(\)``|as for ``\w+``|none\b)", re.sub(r"\s+", " ", text))
    assert shell or re.search(r"[Cc]hanges? nothing", text)
