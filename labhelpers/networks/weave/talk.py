"""One word to a router by its socket, and what it answers."""

from __future__ import annotations

import socket

__all__ = ["answer"]

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
