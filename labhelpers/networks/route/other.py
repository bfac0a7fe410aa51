"""What a node must be told of another one to reach its pods: no more than an API server knows of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Known", "Other"]


class Other(Protocol):
    """Another node.  It may be gone: only this is asked of it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def address(self) -> str:
        """Its address on the underlay."""

    @property
    def pod_cidr(self) -> str:
        """The block of its pods' addresses."""


@dataclass(frozen=True, slots=True)
class Known:
    """Another node, as somebody says who lives on a node of their own and sees no other."""

    name: str
    address: str
    pod_cidr: str
