"""Boot a node: its holder process, its own folders, and its cable to the underlay."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from ipaddress import IPv4Network
from pathlib import Path

from labhelpers.lab import underlay
from labhelpers.lab.fixed import mac_of_address, mac_of_link
from labhelpers.lab.journal import journal
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace, no_ipv6
from labhelpers.lab.node import Node
from labhelpers.linux import (
    address,
    carrier,
    holder,
    libc,
    link,
    namespace,
    process,
    route,
    sysctl,
    sysfs,
    veth,
)
from labhelpers.linux.changes import Changes
from labhelpers.linux.interrupt import held
from labhelpers.linux.names import LONGEST_LINK_NAME

__all__ = ["boot"]

#: what a node has of its own, and what is in it: a node that waits for a CNI plugin has the empty folder already
_OWN_FOLDERS = {"/etc/cni": ("net.d",), "/var/lib/cni": ()}
_STAGE = "/run/pod-networking/stage"


def boot(name: str, ip: str, block: IPv4Network) -> Node:
    """Create a node: namespaces, eth0 on the underlay, a default route to it, forwarding on.

    Args:
        ip: its address on the underlay, 192.168.1.0/24.
        block: its pods' addresses.

    Raises:
        LabError: nothing is left of the attempt.
    """
    label = Label("node", name, owner="lab")
    with held() as interrupt, journal.all_or_nothing(), ExitStack() as undo:
        if not underlay.exists():
            undo.callback(underlay.ensure().delete)
        switch = underlay.ensure()
        pid = holder.start(name, _own_folders)
        inode = os.stat(f"/proc/{pid}/ns/net").st_ino
        undo.callback(process.end_all_in, {inode})
        kernel = namespace.give_name(pid, name)
        undo.callback(namespace.delete, kernel)
        node = Node._join(kernel, label, pid=pid, address=ip, block=block)
        with node._kernel.socket() as socket:
            inside = Changes(socket, name)
            kernel.visit(lambda: _settings(inside))
            journal.add([f"ip netns add {name}", *inside.done])
            inside.done.clear()
            interrupt.check()
            port = _port(name)
            _plug_in(switch, node, port)
            undo.callback(_unplug, switch, port)
            link.set_alias(inside, "lo", str(label))
            link.up(inside, "lo")
            address.add(inside, "eth0", f"{ip}/24")
            link.up(inside, "eth0")
            route.add(inside, "default", via=underlay.ADDRESS)
            inside.apply()
            journal.add(inside.done)
        with switch._kernel.socket() as socket:
            carrier.wait(socket, {port})
        interrupt.check()
        undo.pop_all()
    return node


def _settings(inside: Changes) -> None:
    no_ipv6(inside)
    sysctl.write("net.ipv4.ip_forward", 1)
    inside.ran("sysctl -qw net.ipv4.ip_forward=1")


def _port(node: str) -> str:
    """The name of a node's port on the underlay: the node's own, where an interface can be called so."""
    if len(node) <= LONGEST_LINK_NAME and node not in ("lo", underlay.SWITCH):
        return node
    return mac_of_link("port", node).replace(":", "")[:12]


def _plug_in(switch: Namespace, node: Node, port: str) -> None:
    """The node's cable, with one end on the underlay's bridge."""
    fd = node._kernel.open()
    try:
        with switch.changes() as changes:
            near = veth.Plug(port, mac_of_link(underlay.NAME, port))
            far = veth.Plug("eth0", mac_of_address(node.address), node.name, fd)
            veth.add(changes, near, far, master=underlay.SWITCH, up=True)
    finally:
        os.close(fd)


def _unplug(switch: Namespace, port: str) -> None:
    with switch.changes() as changes:
        link.delete(changes, port)


def _own_folders() -> None:
    """Mount what a node has of its own.  Runs in its new mount namespace.

    The new /run is prepared beside the old one, because it keeps a view of the sandbox's /run/netns: pods have their
    names there, and the node's own /run/netns points to them.
    """
    libc.mount("", "/", flags=libc.MS_SLAVE | libc.MS_REC)
    with suppress(OSError):  # a container may hide parts of /sys; the node then shows the sandbox's
        sysfs.mount_own()
    stage = Path(_STAGE)
    stage.mkdir(parents=True, exist_ok=True)
    libc.mount("tmpfs", _STAGE, "tmpfs", options="mode=755")
    names = stage / Path(Node.SANDBOX_NAMES).name
    for folder in (names, stage / "netns", stage / "lock"):
        folder.mkdir()
    libc.mount("/run/netns", str(names), flags=libc.MS_BIND | libc.MS_REC)
    libc.mount("", str(names), flags=libc.MS_SLAVE | libc.MS_REC)
    libc.mount(_STAGE, "/run", flags=libc.MS_BIND | libc.MS_REC)
    for place, inside in _OWN_FOLDERS.items():
        if Path(place).is_dir():
            libc.mount("tmpfs", place, "tmpfs", options="mode=755")
            for name in inside:
                Path(place, name).mkdir()
