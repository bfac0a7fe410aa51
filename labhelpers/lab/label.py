"""Who a namespace is, written in the kernel: the alias of its ``lo``.

A namespace has no name of its own, only files that point to it.  The helpers write its identity on its loopback
interface, where everybody who can look inside can read it: ``ip -n pod-a link show lo``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from labhelpers.errors import NotYours
from labhelpers.linux.records import Link

__all__ = ["Label"]

_WHO_TO_ASK = {
    "cni": "Use the CNI runtime that made it: call DEL and ADD again.",
    "kubelet": "Use kubectl, for example `kubectl delete pod`.",
}


@dataclass(frozen=True, slots=True)
class Label:
    """``role=pod name=default/web node=node-1 owner=kubelet``; a namespace without a label is all empty."""

    role: str = ""
    name: str = ""
    node: str = ""
    owner: str = ""

    def __str__(self) -> str:
        pairs = (("role", self.role), ("name", self.name), ("node", self.node), ("owner", self.owner))
        return " ".join(f"{key}={value}" for key, value in pairs if value)

    @classmethod
    def parse(cls, alias: str) -> Label:
        """Read a label; an alias that is somebody's own note gives an empty one."""
        pairs = dict(part.split("=", 1) for part in alias.split() if "=" in part)
        known = {key: pairs[key] for key in ("role", "name", "node", "owner") if key in pairs}
        return cls(**known) if "role" in known else cls()

    @classmethod
    def of(cls, links: Iterable[Link]) -> Label:
        """The label of the namespace that has these interfaces."""
        return next((cls.parse(one.alias) for one in links if one.kind == "loopback"), cls())

    def require_lab_owns(self, name: str) -> None:
        """Raise ``NotYours`` if a CNI plugin or the kubelet made the namespace."""
        if self.owner in _WHO_TO_ASK:
            raise NotYours(f"{name} belongs to the {self.owner}, not to the lab.", _WHO_TO_ASK[self.owner])
