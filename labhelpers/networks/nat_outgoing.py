"""What leaves the cluster gets its node's address, as nobody outside knows a way back to a pod.

Between pods nothing is rewritten: the Kubernetes network model forbids that.
"""

from __future__ import annotations

from collections.abc import Iterable

from labhelpers.lab import Node
from labhelpers.linux import nft_library

__all__ = ["TABLE", "NatOutgoing"]

TABLE = "ip nat_outgoing"


class NatOutgoing:
    """The table ``ip nat_outgoing`` of one node."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._blocks: tuple[str, ...] = ()
        #: what the kernel says the table is, right after it was loaded
        self._listing = ""

    def ensure(self, blocks: Iterable[str]) -> bool:
        """Rewrite the source of what comes from these blocks and goes to none of them.  In order: nothing is changed.

        Args:
            blocks: the pods' of all nodes.

        Returns:
            was anything changed?

        Shell: ``nft add rule ip nat_outgoing postrouting ip saddr @pods ip daddr != @pods masquerade``.
        """
        wanted = tuple(sorted(blocks))
        if self._listing and wanted == self._blocks and self._now() == self._listing:
            return False
        nft_library.load(self._node._kernel, _rules(wanted))
        self._blocks, self._listing = wanted, self._now()
        return True

    def clean(self) -> None:
        """Remove the table, if it is there.  Shell: ``nft delete table ip nat_outgoing``."""
        nft_library.load(self._node._kernel, f"add table {TABLE}\ndelete table {TABLE}")
        self._listing = ""

    def _now(self) -> str:
        return nft_library.listing(self._node._kernel, TABLE)


def _rules(blocks: Iterable[str]) -> str:
    pods = ", ".join(blocks)
    # one transaction: no packet sees the time between the old table and the new
    return (
        f"add table {TABLE}\ndelete table {TABLE}\ntable {TABLE} {{\n"
        f"  set pods {{ type ipv4_addr; flags interval; elements = {{ {pods} }}; }}\n"
        "  chain postrouting { type nat hook postrouting priority srcnat;\n"
        "    ip saddr @pods ip daddr != @pods ip daddr != 224.0.0.0/4 counter masquerade\n  }\n}"
    )
