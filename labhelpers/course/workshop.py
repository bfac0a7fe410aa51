"""``%%plugin``: write a CNI plugin of one's own, cell by cell.

The cells become one program, /opt/cni/bin/my-plugin, in the sandbox.  The skeleton of the course does the protocol
around them: environment, standard input, dispatch, result or error object, exit status.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, cell_magic, magics_class

from labhelpers.cni.programs import PLUGIN_FOLDERS
from labhelpers.errors import BadInput
from labhelpers.linux.inside import require_sandbox

__all__ = [
    "NAME",
    "VERBS",
    "PluginMagics",
    "drop",
    "is_the_courses",
    "load",
    "load_ipython_extension",
    "missing",
    "write",
]

NAME = "my-plugin"
#: the function that does each operation
VERBS = {"add": "ADD", "delete": "DEL", "check": "CHECK", "status": "STATUS", "gc": "GC"}
_FILE = Path(PLUGIN_FOLDERS[0], NAME)
_CLONE = Path(__file__).parent.parent.parent
_HEAD = f"""\
#!{sys.executable} -IS
import json, sys, zlib
sys.path.insert(0, {str(_CLONE)!r})
from labhelpers.cni.plugin.skeleton import PluginError, Request, run
from labhelpers.cni.plugin.workbench import ip, ip_table, ipam
"""
#: the source of each function, class and variable, by name; of any other statement, by its text
_pieces: dict[str, str] = {}
#: functions that the course wrote, and not the learner
_from_course: set[str] = set()


def write(source: str, *, from_course: bool = False) -> str:
    """Put a cell into the plugin; what it defines takes the place of what had the same name.

    Args:
        from_course: remember that the learner did not write it.

    Returns:
        a sentence about what the plugin knows now.

    Raises:
        BadInput: it is not Python; the plugin stays as it was.
        NotInSandbox: there is no sandbox to write it into.

    Shell: ``cat > /opt/cni/bin/my-plugin``, ``chmod +x /opt/cni/bin/my-plugin``.
    """
    require_sandbox()
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise BadInput(
            f"Line {error.lineno} of this cell is not Python: {error.msg}.", "Mend it; the plugin is as it was before."
        ) from None
    found = dict(_split(tree, source))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    if not functions:
        raise BadInput("This cell defines no function.", f"A plugin is made of: {', '.join(VERBS)}.")
    _pieces.update(found)
    _from_course.difference_update(functions)
    if from_course:
        _from_course.update(functions)
    _save()
    return f"{_FILE} answers {', '.join([*(VERBS[name] for name in _known()), 'VERSION'])}."


def missing(functions: Iterable[str]) -> list[str]:
    """Which of these functions the plugin does not have."""
    return [name for name in functions if name not in _pieces]


def is_the_courses(function: str) -> bool:
    """Was this function written by the course, and not by the learner?"""
    return function in _from_course


def drop(functions: Iterable[str]) -> list[str]:
    """Take these functions out of the plugin, and the plugin away when nothing is left.

    Returns:
        those that the learner had written.
    """
    there = [name for name in functions if name in _pieces]
    for name in there:
        del _pieces[name]
    learners = [name for name in there if name not in _from_course]
    _from_course.difference_update(there)
    _save()
    return learners


def _split(tree: ast.Module, source: str) -> Iterator[tuple[str, str]]:
    """Every statement of a cell: under which name it is kept, and its lines."""
    lines = source.splitlines()
    for node in tree.body:
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        text = "\n".join(lines[first - 1 : node.end_lineno])
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, text
        elif isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            yield " = ".join(ast.unparse(target) for target in node.targets), text
        else:
            yield text, text


def _known() -> list[str]:
    return [name for name in VERBS if name in _pieces]


def _save() -> None:
    require_sandbox()
    if not _pieces:
        _FILE.unlink(missing_ok=True)
        return
    table = ", ".join(f'"{VERBS[name]}": {name}' for name in _known())
    _FILE.parent.mkdir(parents=True, exist_ok=True)
    draft = _FILE.with_name(f".{NAME}")
    parts = [_HEAD, *_pieces.values(), f"run({{{table}}})\n"]
    draft.write_text("\n\n\n".join(parts), encoding="utf-8")
    draft.chmod(0o755)
    draft.rename(_FILE)


@magics_class
class PluginMagics(Magics):
    """The ``%%plugin`` magic."""

    @cell_magic
    def plugin(self, line: str, cell: str) -> None:
        """Write functions of /opt/cni/bin/my-plugin: add, delete, check, status, gc, and helpers of yours."""
        if line.strip():
            raise BadInput(f"%%plugin does not understand {line.strip()!r}.", "Write %%plugin, and functions below it.")
        print(write(cell))


def load_ipython_extension(shell: Any) -> None:
    """What the sandbox's kernel has IPython call at the first ``%%plugin``."""
    shell.register_magics(PluginMagics)


def load() -> None:
    """Teach this IPython the magic, where the sandbox's kernel has not.  A second call changes nothing."""
    shell = get_ipython()
    if shell is not None:
        load_ipython_extension(shell)
