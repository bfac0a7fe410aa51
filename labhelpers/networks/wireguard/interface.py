"""A WireGuard interface on a node, whoever is behind it: the kernel, or wireguard-go with a TUN device.

Which of them it is, the kernel says: an interface of the kind ``wireguard`` is its own.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from labhelpers.errors import KernelFeatureMissing, LabError, NotFound
from labhelpers.lab import Node
from labhelpers.lab.journal import journal
from labhelpers.linux import process, tun, wireguard
from labhelpers.linux.wireguard import Device, Peer
from labhelpers.networks import own_run
from labhelpers.networks.wireguard import uapi

__all__ = ["add", "change", "in_kernel", "read", "remove", "require"]

_PROGRAM = "wireguard-go"
_PATIENCE = 2.0  # seconds; it ends in milliseconds


def require() -> None:
    """Change nothing: can nodes of this machine have a WireGuard interface?

    Raises:
        ToolMissing: the kernel has no WireGuard, and wireguard-go is not installed.
        NeedsPrivilege, KernelFeatureMissing: nor a TUN device, which wireguard-go needs.
    """
    if not wireguard.is_there():
        _require_own()


def _require_own() -> None:
    process.arguments([_PROGRAM])
    try:
        tun.require()
    except LabError as error:
        what = f"This kernel has no WireGuard, and {_PROGRAM} needs a TUN device. {error.what}"
        raise type(error)(what, error.to_do, errno=error.errno) from None


def add(node: Node, name: str) -> None:
    """Create a WireGuard interface, without a key and down.

    Raises:
        ToolMissing, NeedsPrivilege, KernelFeatureMissing: as for ``require``.
        LabError: wireguard-go does not start.

    Shell: ``ip link add NAME type wireguard``, or ``wireguard-go NAME``.
    """
    try:
        with node.changes() as changes:
            wireguard.add(changes, name)
    except KernelFeatureMissing:
        _require_own()
        own_run.folder(node, uapi.FOLDER)
        # with LOG_LEVEL it would keep our end of its output, and we would wait for more; it always writes an advice
        own_run.run(node, f"env --unset=LOG_LEVEL {_PROGRAM} {name}", script=f"{_PROGRAM} {name} 2> /dev/null")


def remove(node: Node, name: str) -> None:
    """Remove the interface, and with it wireguard-go, if it is there.  Shell: ``ip link delete NAME``."""
    if any(one.name == name for one in node.links()):
        node.delete_link(name)
    end = time.monotonic() + _PATIENCE
    while process.find(node.inode, _PROGRAM) and time.monotonic() < end:
        time.sleep(0.01)
    process.end(process.find(node.inode, _PROGRAM))
    own_run.remove(node, uapi.FOLDER)


def in_kernel(node: Node, name: str) -> bool:
    """Is the kernel behind it?  Changes nothing.  Raises ``NotFound`` if the node has no such interface."""
    for one in node.links():
        if one.name == name:
            return one.kind == "wireguard"
    raise NotFound(f"There is no interface {name} on {node.name}.", "If wireguard-go made it, it has ended.")


def read(node: Node, name: str) -> Device:
    """The interface's configuration and its peers.

    Raises:
        NotFound: there is none, or wireguard-go has ended.
        TimedOut: wireguard-go does not answer.

    Shell: ``wg show NAME``.
    """
    if in_kernel(node, name):
        return wireguard.read(node._kernel, name)
    return uapi.parsed(uapi.ask(node, name, "get=1"))


def change(
    node: Node,
    name: str,
    *,
    private_key: str = "",
    port: int = 0,
    mark: int = 0,
    peers: Iterable[Peer] = (),
    gone: Iterable[str] = (),
) -> None:
    """Change the configuration; arguments as for :func:`labhelpers.linux.wireguard.change`.

    Raises:
        NotFound, TimedOut: as for ``read``.

    Shell: ``wg set NAME …``.
    """
    peers, gone = list(peers), list(gone)
    ours = in_kernel(node, name)
    if ours:
        wireguard.change(node._kernel, name, private_key=private_key, port=port, mark=mark, peers=peers, gone=gone)
    else:
        uapi.ask(node, name, uapi.changes(private_key, port, mark, peers, gone))
    for words, input in _shell(private_key, port, mark, peers, gone):
        command = f"wg set {name} {words}"
        if ours:
            line = f"ip netns exec {node.name} {command}"
            journal.add([f"{line} <<'EOF'\n{input}\nEOF" if input else line])
        else:
            own_run.note(node, command, input=input)


def _shell(private_key: str, port: int, mark: int, peers: Iterable[Peer], gone: Iterable[str]) -> list[tuple[str, str]]:
    """What follows ``wg set NAME`` on a shell line, and what it reads from its input."""
    lines = []
    if private_key or port or mark:
        words = [f"listen-port {port}"] if port else []
        words += [f"fwmark {mark:#x}"] if mark else []
        words += ["private-key /dev/stdin"] if private_key else []
        lines.append((" ".join(words), private_key))
    for peer in peers:
        address, its_port = peer.endpoint
        endpoint = f" endpoint {address}:{its_port}" if address else ""
        allowed = ",".join(peer.allowed)
        lines.append((f"peer {peer.public_key}{endpoint} allowed-ips {allowed}", ""))
    lines += [(f"peer {key} remove", "") for key in gone]
    return lines
