"""``python -m labhelpers.networks.weave``: the router of the node on which it is started.

It returns when it is ready, and goes on in the background until its cable to the bridge is removed or the node ends.
What it is told stands in /run/weave/settings.json.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from labhelpers.networks.weave.router import Router
from labhelpers.networks.weave.settings import FOLDER, ROUTER, SETTINGS, SOCKET, Settings

__all__ = ["main"]

_LOG = f"{FOLDER}/router.log"


def main() -> None:
    """Open everything, then go into the background: who started it may ask it at once."""
    try:
        settings = Settings.read(Path(SETTINGS).read_text())
        with suppress(FileNotFoundError):
            os.unlink(SOCKET)
        control = socket.socket(socket.AF_UNIX)
        control.bind(SOCKET)
        router = Router(settings, control)
        control.listen()
        control.setblocking(False)
    except (OSError, ValueError) as error:
        sys.exit(f"the router does not start: {(getattr(error, 'strerror', '') or str(error)).lower()}")
    log = os.open(_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    nothing = os.open(os.devnull, os.O_RDONLY)
    for fd, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(fd, target)
    Path("/proc/self/comm").write_text(ROUTER)  # as `ps` shows it
    asyncio.run(router.serve())


if __name__ == "__main__":
    main()
