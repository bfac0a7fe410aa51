"""The house: who may import whom, and what only the lowest layer may do."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from statistics import median

import pytest

from tests.unit.architecture import Module, modules

#: a layer may import these, and itself
BELOW = {
    "errors": set[str](),
    "sandbox": set[str](),
    "store": {"errors"},
    "linux": {"errors"},
    "lab": {"errors", "linux"},
    "topology": {"errors", "linux", "lab"},
    "trace": {"errors", "linux", "lab", "topology"},
    "cni": {"errors", "linux", "lab", "topology"},
    "networks": {"errors", "store", "linux", "lab", "topology", "cni"},
    "cluster": {"errors", "store", "linux", "lab", "topology", "cni", "networks"},
    "conformance": {"errors", "store", "linux", "lab", "topology", "trace", "cni", "networks"},
    "measure": {"errors", "store", "linux", "lab", "topology", "trace", "cni", "networks", "cluster", "conformance"},
    "views": {
        "errors",
        "store",
        "linux",
        "lab",
        "topology",
        "trace",
        "cni",
        "networks",
        "cluster",
        "conformance",
        "measure",
    },
    "course": {
        "errors",
        "store",
        "linux",
        "lab",
        "topology",
        "trace",
        "cni",
        "networks",
        "cluster",
        "conformance",
        "measure",
        "views",
    },
    "doctor": {
        "errors",
        "sandbox",
        "store",
        "linux",
        "lab",
        "topology",
        "trace",
        "cni",
        "networks",
        "cluster",
        "conformance",
        "measure",
        "views",
        "course",
    },
    "": {
        "errors",
        "sandbox",
        "store",
        "linux",
        "lab",
        "topology",
        "trace",
        "cni",
        "networks",
        "cluster",
        "conformance",
        "measure",
        "views",
        "course",
        "doctor",
    },
}
MOST_LINES = 400
MEDIAN_LINES = 120

#: programs of their own: what they print is what they are for
PROGRAMS = {"labhelpers.linux.echo_server"}

every_module = pytest.mark.parametrize("module", modules().values(), ids=modules().keys())


def test_there_is_a_rule_for_every_layer() -> None:
    assert {module.layer for module in modules().values()} == BELOW.keys()


def test_the_rules_are_one_way() -> None:
    for layer, below in BELOW.items():
        for lower in below:
            assert layer not in BELOW[lower]
            assert BELOW[lower] <= below


@every_module
def test_it_imports_only_what_is_below(module: Module) -> None:
    allowed = BELOW[module.layer] | {module.layer}
    for name, _, node in module.imports():
        layer = modules()[name].layer
        assert layer in allowed, f"line {node.lineno}: {module.layer} must not import {layer}"


def test_no_module_needs_itself() -> None:
    """Imports inside functions and for type checking are left out: they are there to break circles."""
    needs = {name: module.needs() - {name} for name, module in modules().items()}
    while free := [name for name, wanted in needs.items() if not wanted & needs.keys()]:
        for name in free:
            del needs[name]
    assert not needs, "these import one another in circles"


@every_module
def test_it_is_small(module: Module) -> None:
    assert len(module.source.splitlines()) <= MOST_LINES


def test_most_modules_are_smaller() -> None:
    assert median(len(module.source.splitlines()) for module in modules().values()) <= MEDIAN_LINES


def _mentions(module: Module) -> Iterator[tuple[str, int]]:
    """Names, attributes and imported modules, each with its line."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "", node.lineno
            yield from ((alias.name, node.lineno) for alias in node.names)


@every_module
def test_only_the_lowest_layer_talks_to_the_kernel(module: Module) -> None:
    if module.layer in ("linux", "sandbox"):
        return
    forbidden = {"AF_NETLINK", "AF_PACKET", "SOCK_RAW", "ctypes", "pyroute2", "ioctl"}
    for word, line in _mentions(module):
        assert word not in forbidden, f"line {line}: {word} belongs into linux/"


#: programs whose output a person reads; everything they say can be asked for by netlink
_TALKERS = {"ip", "bridge", "tc", "ss"}
_RUNNERS = {"run", "Popen", "check_output", "check_call", "call", "spawn", "popen", "system", "getoutput"}


@every_module
def test_nobody_reads_what_ip_prints(module: Module) -> None:
    not_read = {id(node.value) for node in ast.walk(module.tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and _called(node) in _RUNNERS and id(node) not in not_read:
            for argument in node.args:
                assert _program(argument) not in _TALKERS, f"line {node.lineno}: ask by netlink instead"


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _program(node: ast.expr) -> str:
    """The program a command begins with, where it is written out."""
    if isinstance(node, (ast.List, ast.Tuple)) and node.elts:
        return _program(node.elts[0])
    if isinstance(node, ast.JoinedStr) and node.values:
        return _program(node.values[0])
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.split(" ")[0]
    return ""


@every_module
def test_lower_layers_raise_and_never_print(module: Module) -> None:
    if module.layer not in ("errors", "linux", "lab", "topology", "conformance") or module.name in PROGRAMS:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            assert _called(node) != "print", f"line {node.lineno}"


def test_these_tests_see_what_they_forbid() -> None:
    wrong = ast.parse(
        "import ctypes\n"
        "from labhelpers.views import Topology\n"
        "def f():\n"
        "    from labhelpers.course import check\n"
        "    return subprocess.run(['ip', 'link']), pod.run(f'ip -n {name} route')\n"
        "def g():\n"
        "    print(socket.AF_PACKET)\n"
    )
    module = Module("labhelpers.lab.wrong", modules()["labhelpers"].path, "", wrong)
    assert {modules()[name].layer for name, _, _ in module.imports()} == {"views", "course"}
    assert module.needs() == {"labhelpers.views"}
    assert {"ctypes", "AF_PACKET"} <= {word for word, _ in _mentions(module)}
    for test in (
        test_it_imports_only_what_is_below,
        test_only_the_lowest_layer_talks_to_the_kernel,
        test_nobody_reads_what_ip_prints,
        test_lower_layers_raise_and_never_print,
    ):
        with pytest.raises(AssertionError):
            test(module)
