"""How names and other texts are written on a shell line, where they might be taken for something else."""

from __future__ import annotations

__all__ = ["device", "quoted"]

_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./-_")

#: `ip link` takes any beginning of these for the word itself (iproute2, ip/iplink.c)
_WORDS = (
    "address", "addrgenmode", "alias", "allmulticast", "arp", "brd", "broadcast", "carrier", "dev", "down", "dynamic",
    "group", "gso_max_segs", "gso_max_size", "help", "index", "link", "link-netns", "link-netnsid", "master", "mode",
    "mtu", "multicast", "name", "netns", "nomaster", "numrxqueues", "numtxqueues", "parentbus", "parentdev", "promisc",
    "protodown", "protodown_reason", "qlen", "state", "trailers", "txqlen", "txqueuelen", "type", "up", "vf", "vrf",
    "xdp", "xdpdrv", "xdpgeneric", "xdpoffload",
)  # fmt: skip
_BEGINNINGS = frozenset(word[:length] for word in _WORDS for length in range(1, len(word) + 1))


def device(name: str, word: str = "dev") -> str:
    """The name, with ``dev`` (or another word) before it where ``ip`` could read it otherwise: ``dev up``."""
    return f"{word} {name}" if name in _BEGINNINGS else name


def quoted(text: str) -> str:
    """The text as one word of a shell line, as ``shlex.quote`` does; that imports ``re``, see netlink.py."""
    return text if text and _PLAIN.issuperset(text) else "'" + text.replace("'", "'\"'\"'") + "'"
