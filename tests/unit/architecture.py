"""The package as source: modules, what they import, what they define."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

__all__ = ["CLONE", "Module", "modules"]

CLONE = Path(__file__).parent.parent.parent
PACKAGE = "labhelpers"


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    name: str  # labhelpers.linux.link
    path: Path
    source: str
    tree: ast.Module

    @property
    def layer(self) -> str:
        """``linux``, ``lab`` …; a module on top is its own, the package itself is ``""``."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def exported(self) -> list[str] | None:
        """What ``__all__`` says, ``None`` if it is not there."""
        for node in self.tree.body:
            if isinstance(node, ast.Assign) and any(_is_name(target, "__all__") for target in node.targets):
                return list(ast.literal_eval(node.value))
        return None

    def imports(self) -> Iterator[tuple[str, str, ast.stmt]]:
        """Every import of the package: module, name imported from it (or ``""``), and where, however deep."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, "", node) for alias in node.names if _ours(alias.name))
            elif isinstance(node, ast.ImportFrom) and node.module and _ours(node.module):
                offered = modules()[node.module].exported or ()
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    is_module = inner in modules() and alias.name not in offered
                    yield (inner, "", node) if is_module else (node.module, alias.name, node)

    def needs(self) -> set[str]:
        """The modules of the package that are imported when this one is."""
        at_once = {id(node) for node in _run_at_import(self.tree.body)}
        return {module for module, _, node in self.imports() if id(node) in at_once}


def _ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that are not inside a function and not for type checking only."""
    for node in body:
        yield node
        if isinstance(node, ast.ClassDef):
            yield from _run_at_import(node.body)
        elif isinstance(node, (ast.If, ast.Try)) and not _is_type_checking(node):
            yield from _run_at_import([*node.body, *node.orelse])


def _is_name(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _is_type_checking(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and _is_name(node.test, "TYPE_CHECKING")


@cache
def modules() -> dict[str, Module]:
    """Every module by name."""
    found = {}
    for path in sorted((CLONE / PACKAGE).rglob("*.py")):
        parts = path.relative_to(CLONE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        source = path.read_text()
        found[name] = Module(name, path, source, ast.parse(source))
    return found
