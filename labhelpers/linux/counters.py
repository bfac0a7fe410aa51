"""What a namespace's kernel counts: packets that it dropped, and why (``man 5 proc``, ``nstat``).

Source: Documentation/networking/snmp_counter.rst.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labhelpers.linux.worker import visit_each

__all__ = ["Counts", "grown", "read"]

#: ``Ip.OutNoRoutes``, ``TcpExt.IPReversePathFilter``, ``eth0.rx_drop`` … and how often it was so
Counts = dict[str, int]
_FOLDER = Path("/proc/thread-self/net")  # of the thread, because threads can be in different namespaces
_OF_AN_INTERFACE = (
    "rx_bytes", "rx_packets", "rx_errs", "rx_drop", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
    "tx_bytes", "tx_packets", "tx_errs", "tx_drop", "tx_fifo", "tx_colls", "tx_carrier", "tx_compressed",
)  # fmt: skip


def read(namespaces: Sequence[int]) -> list[Counts]:
    """The counters of each of these namespaces, given by file descriptors.

    Shell: ``ip netns exec NAME nstat -az``, ``ip -n NAME -s link``.
    """
    return [counts or {} for counts in visit_each(namespaces, _read_here)]


def _read_here() -> Counts:
    counts: Counts = {}
    for name in ("snmp", "netstat"):
        lines = _lines(name)
        for titles, values in zip(lines[::2], lines[1::2], strict=False):
            group, *names = titles.split()
            numbers = values.split()[1:]
            counts.update(
                {f"{group.rstrip(':')}.{one}": int(value) for one, value in zip(names, numbers, strict=False)}
            )
    for line in _lines("dev")[2:]:
        device, _, values = line.partition(":")
        pairs = zip(_OF_AN_INTERFACE, values.split(), strict=False)
        counts.update({f"{device.strip()}.{one}": int(value) for one, value in pairs})
    return counts


def _lines(name: str) -> list[str]:
    try:
        return (_FOLDER / name).read_text().splitlines()
    except OSError:  # a container may hide it
        return []


def grown(before: Counts, after: Counts) -> Counts:
    """What was counted meanwhile."""
    return {name: value - before.get(name, 0) for name, value in after.items() if value > before.get(name, 0)}
