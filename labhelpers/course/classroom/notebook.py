"""A notebook file as what the classroom needs of it: read with care, because learners' files are of any kind."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import nbformat

from labhelpers.errors import BadInput, NotFound

__all__ = ["KERNEL", "calls", "read"]

KERNEL = "pod-networking"


def read(path: Path) -> Any:
    """The notebook in a file.  Changes nothing.

    Raises:
        NotFound: there is no such file.
        BadInput: it is no notebook, or one that was written for another kernel.
    """
    try:
        # without a conversion: an old notebook would get new cell ids at every reading
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=nbformat.NO_CONVERT)
        if notebook.get("nbformat") != 4:
            raise BadInput(f"{path} is a notebook of another format than 4.", "Open and save it with JupyterLab.")
        nbformat.validate(notebook)
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.", "Look for its name with ls.") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.", "Name a notebook file.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is no notebook: it is not UTF-8.", "Ask for the file again.") from None
    except nbformat.reader.NotJSONError:
        raise BadInput(f"{path} is no notebook: it is no JSON, or a part of it.", "Ask for the file again.") from None
    except (nbformat.ValidationError, ValueError, TypeError, AttributeError) as error:
        # the first line: the others repeat the whole file
        reason = (str(error).splitlines() or ["it is empty"])[0][:120].rstrip(".")
        raise BadInput(f"{path} is no notebook: {reason}.", "Ask for the file again.") from None
    kernel = notebook.metadata.get("kernelspec", {}).get("name", "")
    if kernel != KERNEL:
        other = f"the kernel {kernel}" if kernel else "no kernel"
        raise BadInput(
            f"{path} is written for {other}, and the course's chapters are for {KERNEL}.",
            "Choose Pod networking (sandbox) in the notebook, run it and save it.",
        )
    return notebook


def calls(source: str, function: str) -> list[str]:
    """The exercises that a cell's code names when it calls ``check``, ``hint`` or another: ``["1.2"]``."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a magic, or half a line
        return []
    return [
        str(node.args[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == function
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]
