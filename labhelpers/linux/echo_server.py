"""A TCP server for experiments: it tells each client the addresses it saw.  Run as a program inside a pod."""

from __future__ import annotations

import errno
import socket
import sys
import threading

_PATIENCE = 10.0  # seconds of silence


def main() -> None:
    """Serve until killed: ``echo_server.py ADDRESS PORT``."""
    address, port = sys.argv[1], int(sys.argv[2])
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        server.bind((address, port))
        server.listen()
    except OSError as error:
        print("in use" if error.errno == errno.EADDRINUSE else error.strerror, flush=True)
        return
    print("listening", flush=True)
    while True:
        try:
            client, peer = server.accept()
        except OSError:  # this client is gone already; the next one is served
            continue
        threading.Thread(target=_serve, args=(client, peer[0]), daemon=True).start()


def _serve(client: socket.socket, peer: str) -> None:
    """Speak, and listen until the client has said everything: to close earlier would be to reset the connection."""
    with client:
        try:
            client.sendall(f"you came from {peer} to {client.getsockname()[0]}\n".encode())
            client.shutdown(socket.SHUT_WR)
            client.settimeout(_PATIENCE)
            while client.recv(1 << 16):
                pass
        except OSError:
            pass


if __name__ == "__main__":
    main()
