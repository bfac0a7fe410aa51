"""``python -m labhelpers.networks.weave.ask status``: ask the router of the node on which this is started."""

from __future__ import annotations

import json
import sys

from labhelpers.networks.weave.settings import SOCKET
from labhelpers.networks.weave.talk import answer

__all__ = ["main"]


def main(words: list[str]) -> None:
    """Print what the router says, as people read it; of what it was only told to do, nothing."""
    if len(words) != 1:
        sys.exit("usage: python -m labhelpers.networks.weave.ask status|reload|end")
    try:
        said = json.loads(answer(SOCKET, words[0]))
        if "error" in said:
            raise ValueError(said["error"])
        if words[0] == "status":
            print(json.dumps(said, indent=1))
    except (OSError, ValueError) as error:
        sys.exit(f"the router: {(getattr(error, 'strerror', '') or str(error)).lower()}")


if __name__ == "__main__":
    main(sys.argv[1:])
