"""Open the course in JupyterLab, or print its address where there is no browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from pathlib import Path

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
FIRST = "00-start-here.ipynb"


def has_browser() -> bool:
    """Whether a browser with a window can be started here; a browser for terminals is of no use."""
    if os.geteuid() == 0 or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return bool(os.environ.get("BROWSER"))
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def command(arguments: list[str]) -> list[str]:
    """The ``jupyter lab`` command; ``arguments`` go to it as they are."""
    options = [
        f"--ServerApp.root_dir={NOTEBOOKS}",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        "--LabApp.extension_manager=readonly",  # asks nothing of the internet
        "--log-level=WARN",
    ]
    if os.geteuid() == 0:
        options.append("--allow-root")
    if not has_browser():
        options.append("--no-browser")
    return [sys.executable, "-m", "jupyterlab", *options, *arguments]


def main() -> None:
    """Become JupyterLab."""
    if has_browser():
        print("Opening the course in the browser. Ctrl-C twice ends it.", flush=True)
    else:
        print("No browser here: open one of the addresses below in yours. Ctrl-C twice ends it.", flush=True)
    os.chdir(NOTEBOOKS)
    os.execv(sys.executable, command(sys.argv[1:]))


if __name__ == "__main__":
    main()
