"""The protocol of WireGuard in user space: lines of KEY=VALUE on a socket, as ``wg`` speaks it.

Source: https://www.wireguard.com/xplatform/
"""

from __future__ import annotations

import os
import socket
from base64 import b64decode, b64encode
from collections.abc import Iterable

from labhelpers.errors import LabError, NotFound, TimedOut
from labhelpers.lab import Node
from labhelpers.linux.wireguard import Device, Peer
from labhelpers.networks.own_run import here
from labhelpers.networks.wireguard.x25519 import public_key

__all__ = ["FOLDER", "ask", "changes", "parsed"]

FOLDER = "/run/wireguard"
_PATIENCE = 5.0  # seconds; it answers in milliseconds


def ask(node: Node, device: str, request: str) -> list[tuple[str, str]]:
    """Send one request to the program behind a device, and return the lines of its answer.

    Raises:
        NotFound: no program listens.
        TimedOut: it does not answer.
        LabError: it refuses.

    Shell: ``wg show DEVICE``, ``wg set DEVICE …``.
    """
    data = b""
    try:
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(_PATIENCE)
            talk.connect(str(here(node, f"{FOLDER}/{device}.sock")))
            talk.sendall(request.rstrip("\n").encode() + b"\n\n")
            while not data.endswith(b"\n\n"):
                piece = talk.recv(65536)
                if not piece:
                    raise OSError("it hung up before the end")
                data += piece
    except TimeoutError:
        raise TimedOut(
            f"wireguard-go on {node.name} did not answer within {_PATIENCE:g} s.", "Is it stopped? See with `ps`."
        ) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise NotFound(
            f"No wireguard-go answers on {node.name}: {why}.", "node_added(…) of the carrier starts one again."
        ) from None
    lines = [(key, value) for key, _, value in (line.partition("=") for line in data.decode().split("\n") if line)]
    code = int(dict(lines).get("errno", "0"))
    if code:
        raise LabError(
            f"wireguard-go on {node.name} refused: {os.strerror(abs(code)).lower()}.", "Look at it with `wg show`."
        )
    return lines


def changes(private_key: str, port: int, mark: int, peers: Iterable[Peer], gone: Iterable[str]) -> str:
    """The request that changes a device; see :func:`labhelpers.linux.wireguard.change`."""
    lines = ["set=1"]
    if private_key:
        lines.append(f"private_key={_hexadecimal(private_key)}")
    if port:
        lines.append(f"listen_port={port}")
    if mark:
        lines.append(f"fwmark={mark}")
    for peer in peers:
        lines.append(f"public_key={_hexadecimal(peer.public_key)}")
        address, its_port = peer.endpoint
        if address:
            lines.append(f"endpoint={address}:{its_port}")
        lines += ["replace_allowed_ips=true", *(f"allowed_ip={block}" for block in peer.allowed)]
    for key in gone:
        lines += [f"public_key={_hexadecimal(key)}", "remove=true"]
    return "\n".join(lines)


def _hexadecimal(key: str) -> str:
    return b64decode(key).hex()


def parsed(lines: Iterable[tuple[str, str]]) -> Device:
    """A device as the answer to ``get=1`` describes it."""
    device: dict[str, str] = {}
    peers: list[tuple[dict[str, str], list[str]]] = []
    for key, value in lines:
        if key == "public_key":
            peers.append(({key: value}, []))
        elif not peers:
            device[key] = value
        elif key == "allowed_ip":
            peers[-1][1].append(value)
        else:
            peers[-1][0][key] = value
    private = bytes.fromhex(device.get("private_key", ""))
    return Device(
        public_key=b64encode(public_key(private)).decode() if private else "",
        port=int(device.get("listen_port", "0")),
        mark=int(device.get("fwmark", "0")),
        peers=tuple(_peer(said, allowed) for said, allowed in peers),
    )


def _peer(said: dict[str, str], allowed: list[str]) -> Peer:
    address, _, port = said.get("endpoint", ":0").rpartition(":")
    return Peer(
        b64encode(bytes.fromhex(said["public_key"])).decode(),
        endpoint=(address.strip("[]"), int(port)),
        allowed=tuple(allowed),
        handshake=int(said.get("last_handshake_time_sec", "0")),
        received=int(said.get("rx_bytes", "0")),
        sent=int(said.get("tx_bytes", "0")),
    )
