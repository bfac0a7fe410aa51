"""``python -m labhelpers.networks.weave.ask status``: ask the router of the node on which this is started."""

from __future__ import annotations

import json
import socket
import sys

from labhelpers.networks.weave.settings import SOCKET

__all__ = ["answer", "main"]

_PATIENCE = 15.0  # seconds; it answers in milliseconds


def answer(path: str, word: str) -> bytes:
    """Send a word to the router behind a socket, and return what it says: JSON.

    Raises:
        OSError: nobody listens, or does not answer.
    """
    data = b""
    with socket.socket(socket.AF_UNIX) as talk:
        talk.settimeout(_PATIENCE)
        talk.connect(path)
        talk.sendall(word.encode() + b"\n")
        while piece := talk.recv(65536):
            data += piece
    return data


def main(words: list[str]) -> None:
    """Print what the router says, as people read it."""
    if len(words) != 1:
        sys.exit("usage: python -m labhelpers.networks.weave.ask status|reload|end")
    try:
        print(json.dumps(json.loads(answer(SOCKET, words[0])), indent=1))
    except (OSError, ValueError) as error:
        sys.exit(f"no router answers: {(getattr(error, 'strerror', '') or str(error)).lower()}")


if __name__ == "__main__":
    main(sys.argv[1:])
