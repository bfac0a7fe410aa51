"""``python -m labhelpers.sandbox.run -- COMMAND``: run any command in a sandbox of its own."""

from __future__ import annotations

import os
import sys

from labhelpers.sandbox.environment import become
from labhelpers.sandbox.frontend import FrontEnd
from labhelpers.sandbox.launch import launch

__all__ = ["REFUSED", "main"]

#: exit status where there can be no sandbox: EX_UNAVAILABLE of sysexits.h
REFUSED = 69


def main(argv: list[str]) -> None:
    """Run the command and exit with its status, with 69 if there can be no sandbox, 127 if it cannot be started."""
    command = argv[1:] if argv[:1] == ["--"] else argv
    if not command:
        sys.exit("usage: python -m labhelpers.sandbox.run -- COMMAND [ARGUMENT …]")

    def inside(refusal: str) -> None:
        if refusal:
            print(refusal, file=sys.stderr, flush=True)
            os._exit(REFUSED)
        become(command)

    launch(inside, front_end=FrontEnd())


if __name__ == "__main__":
    main(sys.argv[1:])
