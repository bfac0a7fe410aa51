"""Write the course's JupyterLab settings into the running Python's environment.

Settings that are there already and that the course has no opinion on stay as they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

KERNELS = ["pod-networking", "pod-networking-cluster"]

SETTINGS: dict[str, dict[str, Any]] = {
    # What the front end does: widgets are saved with the notebook, nothing is asked of the internet.
    "share/jupyter/lab/settings/overrides.json": {
        "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
        # when each cell ran stays in the notebook; `python -m labhelpers.course minutes` reads it
        "@jupyterlab/notebook-extension:tracker": {"recordTiming": True},
        "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
        # the glossary and the cheat sheet are there to be read
        "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    },
    # What the server offers: no kernel that would run a cell on the bare host.
    # (jupyter_server_config.d is for extensions only)
    "etc/jupyter/jupyter_server_config.json": {
        "KernelSpecManager": {"allowed_kernelspecs": KERNELS, "ensure_native_kernel": False},
        "MultiKernelManager": {"default_kernel_name": KERNELS[0]},
    },
}


def merged(old: Any, new: Any) -> Any:
    """``new`` laid over ``old``, key by key."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new
    return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}


def write(prefix: Path) -> None:
    """Write every settings file below ``prefix``, laid over what is there."""
    for name, settings in SETTINGS.items():
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        old = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(merged(old, settings), indent=2) + "\n")


if __name__ == "__main__":
    write(Path(sys.prefix))
