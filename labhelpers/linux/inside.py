"""Are we in a sandbox?  Helpers that change the kernel ask here first."""

from __future__ import annotations

import os
from pathlib import Path

from labhelpers.errors import NotInSandbox

__all__ = ["MARKER", "require_sandbox"]

#: the sandbox writes its network namespace's inode number here; its /run is private, so no other process has the file
MARKER = Path("/run/pod-networking/sandbox")

_confirmed_in: int | None = None


def require_sandbox() -> None:
    """Change nothing: raise unless this process lives in a sandbox's own network namespace.

    Raises:
        NotInSandbox: this is the host, or a namespace the sandbox did not make.
    """
    global _confirmed_in
    if _confirmed_in == os.getpid():
        return
    try:
        home = int(MARKER.read_text())
    except (OSError, ValueError):
        home = 0
    if home != os.stat("/proc/self/ns/net").st_ino:
        if os.environ.get("POD_NETWORKING_CLUSTER"):
            raise NotInSandbox(
                "This notebook runs on the kernel for your own cluster, which has no network of its own.",
                "Choose the kernel 'Pod networking (sandbox)' to build namespaces here.",
            )
        raise NotInSandbox(
            "This Python is not inside a sandbox, so this would change your machine's real network.",
            "Choose the kernel 'Pod networking (sandbox)', or run "
            "`python -m labhelpers.sandbox.run -- python your-script.py`.",
        )
    _confirmed_in = os.getpid()
