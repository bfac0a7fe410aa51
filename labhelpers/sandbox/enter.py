"""``python -m labhelpers.sandbox.enter FOLDER COMMAND``: what ``pod-shell`` runs first in the sandbox."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import NoReturn

from labhelpers.sandbox.environment import become, settle_in

__all__ = ["main"]


def main(argv: list[str]) -> NoReturn:
    """Become the command, with the same surroundings as the sandbox's own processes."""
    folder, command = argv[0], argv[1:]
    settle_in()
    with suppress(OSError):  # it may be hidden here; then the command starts in /
        os.chdir(folder)
    become(command)


if __name__ == "__main__":
    main(sys.argv[1:])
