"""The site: the chapters as they were recorded, and the pages around them.  Nothing is run, nothing is fetched."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

project = "Kubernetes pod networking"
author = "the course's authors"
version = release = version_of("pod-networking-course")
copyright = "code: Apache-2.0, text: CC BY 4.0"

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]
suppress_warnings = ["misc.highlighting_failure"]  # cells with %%bash and %%ns are no Python

nb_execution_mode = "off"  # the outputs are those that the notebooks hold
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # else pages would ask a server on the internet for scripts
nb_merge_streams = True
nb_code_prompt_show = "Show what was recorded"
nb_code_prompt_hide = "Hide what was recorded"
myst_heading_anchors = 3

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True, "exclude-members": "as_text, comm, keys, log"}
napoleon_google_docstring = True

html_theme = "furo"
pygments_dark_style = "github-dark"
html_title = project
html_static_path = [
    "_static",
    "../labhelpers/views/static/picture.js",
    "../labhelpers/views/static/topology.css",
    "../labhelpers/views/static/player.css",
]
html_css_files = ["topology.css", "player.css", "site.css", "dark.css"]
html_js_files = [("picture.js", {"defer": "defer"}), ("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False


def setup(app: Any) -> None:
    """Called by Sphinx.  After napoleon, which listens with priority 500."""
    app.connect("autodoc-process-docstring", sentences, priority=600)


def sentences(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Put sentences together again that napoleon took apart at a colon.

    It reads ``Returns: seconds: of the call`` as a type and a description.  Here types are in signatures only.
    """
    del app, what, name, thing, options
    for begin, after in ((":returns: ", ":rtype: "), ("", ":type: ")):
        at = next((number for number, line in enumerate(lines) if line.startswith(after)), None)
        if at is None:
            continue
        said = lines.pop(at).removeprefix(after)
        first = next(number for number, line in enumerate([*lines[:at], begin]) if line.startswith(begin))
        if first < at:
            lines[first] = f"{begin}{said}: {lines[first].removeprefix(begin)}"
        else:
            lines.insert(at, f"{begin}{said}")
