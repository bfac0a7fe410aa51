"""The underlay: the network between the nodes, a switch in a namespace of its own."""

from __future__ import annotations

from labhelpers.errors import AlreadyExists
from labhelpers.lab import bridge
from labhelpers.lab.journal import journal
from labhelpers.lab.label import Label
from labhelpers.lab.namespace import Namespace, no_ipv6
from labhelpers.linux import link, namespace, sysctl
from labhelpers.linux.changes import Changes
from labhelpers.linux.interrupt import held

__all__ = ["ADDRESS", "BLOCK", "NAME", "SWITCH", "ensure", "exists", "remove_if_empty"]

NAME = "underlay"
SWITCH = "br0"
BLOCK = "192.168.1.0/24"
ADDRESS = "192.168.1.1"


def ensure() -> Namespace:
    """Create the underlay if it is not there: a bridge with 192.168.1.1/24, which also routes.

    Shell: ``ip netns add underlay``, ``ip -n underlay link add br0 up type bridge``, …
    """
    if exists():
        found = Namespace(NAME)
        if found._label.role != "underlay":
            raise AlreadyExists(
                f"There is a namespace {NAME!r} that the lab did not make, and the nodes' network is called so.",
                f"Delete it: `ip netns delete {NAME}`.",
            )
        return found
    label = Label("underlay", NAME, owner="lab")
    lines = [f"ip netns add {NAME}"]

    def set_up(inside: Changes, fd: int) -> None:
        no_ipv6(inside)
        sysctl.write("net.ipv4.ip_forward", 1)
        inside.ran("sysctl -qw net.ipv4.ip_forward=1")
        link.set_alias(inside, "lo", str(label))
        link.up(inside, "lo")
        inside.apply()
        lines.extend(inside.done)

    with held(), journal.all_or_nothing():
        made = Namespace._made(namespace.create(NAME, set_up), label)
        journal.add(lines)
        try:
            bridge.create(made, SWITCH, address=f"{ADDRESS}/24")
        except BaseException:
            made.delete()
            raise
    return made


def exists() -> bool:
    """Is there a namespace of this name?"""
    return bool(namespace.inode_at(str(namespace.FOLDER / NAME)))


def remove_if_empty() -> None:
    """Delete the underlay if no node is plugged in.  Shell: ``ip netns delete underlay``."""
    if exists():
        found = Namespace(NAME)
        if found._label.role == "underlay" and not any(one.kind == "veth" for one in found.links()):
            found.delete()
